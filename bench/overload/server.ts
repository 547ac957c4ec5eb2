/** One server under overload: Express with a synchronous handler. Arguments: address, protocol, limiter. */
import { pbkdf2Sync } from 'node:crypto'
import { createServer as createHttpServer } from 'node:http'
import express from 'express'
import { createServer } from 'express-responder'
import { listen } from '../servers/listen.js'
import { createLimiter, LIMITERS } from './limiters.js'

/** A few milliseconds of CPU time: what a page with a template, or a password, takes. */
const ITERATIONS = 12_000
const KEY_OCTETS = 32

const [, , , protocol, wanted] = process.argv
const limiter = LIMITERS.find((name) => name === wanted)
if (limiter === undefined) throw new Error(`no such limiter: ${String(wanted)}`)

const app = express()
app.disable('x-powered-by')
app.use(createLimiter(limiter))
app.get('/', (_request, response) => {
  response.type('text/plain').send(pbkdf2Sync('password', 'salt', ITERATIONS, KEY_OCTETS, 'sha256').toString('hex'))
})

listen(protocol === 'fastcgi' ? createServer(app) : createHttpServer(app))
