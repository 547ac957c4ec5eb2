/**
 * An Express app, over `http` or `fastcgi` (first argument): `without` the memory endpoint, or with it mounted and nobody
 * looking, `before` the routes, so that each request is compared with its path, or `after` them (second). Listens on the path
 * that is its third argument; tells the CPU time of its process.
 */
import http from 'node:http'
import type { Express } from 'express'
import { createServer } from 'express-responder'
import { memoryStats } from 'express-responder/memory'
import { expressApp } from './app.js'

const [, , protocol, subject, address = ''] = process.argv
const mount = (app: Express): void => { app.use('/debug/pprof', memoryStats()) }
const app = expressApp(subject === 'before' ? mount : undefined, subject === 'after' ? mount : undefined)
const server = protocol === 'http' ? http.createServer(app) : createServer(app)
server.listen(address, () => process.send?.('ready'))
process.on('disconnect', () => process.exit(0))
process.on('message', () => {
  const { user, system } = process.cpuUsage()
  process.send?.(user + system)
})
