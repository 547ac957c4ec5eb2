/**
 * The server of the situations below saturation: Express over TCP, with one of the caps. Arguments: the cap, and
 * `background` where it has other work to do than requests. It tells its port to the process that started it.
 */
import { pbkdf2Sync } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { performance } from 'node:perf_hooks'
import express from 'express'
import { concurrencyLimit } from 'express-responder/middleware'
import { createLimiter } from '../limiters.js'
import { BLOCK_MILLISECONDS, CAPS } from './names.js'

const [, , wanted, background] = process.argv
const name = CAPS.find((one) => one === wanted)
if (name === undefined) throw new Error(`no such cap: ${String(wanted)}`)

/** About a millisecond of CPU time. */
const ITERATIONS = 4000
const KEY_OCTETS = 32
const DOWNLOAD = Buffer.alloc(4 * 1024 * 1024, 'x')
/** A tenth of the process, for something that no request asked for. */
const TIMER = { every: 100, milliseconds: 10 }
const EVENT_EVERY = 100

function busy(milliseconds: number): void {
  for (const end = performance.now() + milliseconds; performance.now() < end; );
}

const app = express()
app.disable('x-powered-by')
app.get('/before', (_request, response) => {
  busy(1)
  response.send('before the cap')
})
app.use(name === '64' ? concurrencyLimit({ limit: Number(name) }) : createLimiter(name === 'default' ? 'concurrencyLimit' : name))

app.get('/quick', (_request, response) => {
  setTimeout(() => response.send('quick'), 5)
})
app.get('/work{/:milliseconds}', (request, response) => {
  const iterations = ITERATIONS * Number(request.params.milliseconds ?? 1)
  response.send(pbkdf2Sync('password', 'salt', iterations, KEY_OCTETS, 'sha256').toString('hex'))
})
app.get('/block', (_request, response) => {
  busy(BLOCK_MILLISECONDS)
  response.send('blocked')
})
app.get('/wait/:milliseconds', (request, response) => {
  setTimeout(() => response.send('waited'), Number(request.params.milliseconds))
})
app.post('/upload', (request, response) => {
  let octets = 0
  request.on('data', (chunk: Buffer) => {
    octets += chunk.length
  })
  request.on('end', () => response.send(String(octets)))
})
app.get('/download', (_request, response) => {
  response.type('application/octet-stream').send(DOWNLOAD)
})
app.get('/events', (_request, response) => {
  response.writeHead(200, { 'Content-Type': 'text/event-stream' })
  const timer = setInterval(() => response.write('data: now\n\n'), EVENT_EVERY)
  response.on('close', () => {
    clearInterval(timer)
  })
})

const server = createServer(app).listen(0, '127.0.0.1', () => {
  if (background === 'background') {
    setInterval(() => {
      busy(TIMER.milliseconds)
    }, TIMER.every)
  }
  process.send?.((server.address() as AddressInfo).port)
})
process.on('disconnect', () => process.exit(0))
