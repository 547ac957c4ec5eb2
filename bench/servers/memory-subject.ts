/**
 * An Express app, over `http` or `fastcgi` (first argument): `without` the memory endpoint, with its `path` alone, or with it
 * `mounted` and nobody looking (second). Listens on the path that is its third argument; tells the CPU time of its process.
 */
import http from 'node:http'
import { createServer } from 'express-responder'
import { memoryStats } from 'express-responder/memory'
import { expressApp } from './app.js'

const [, , protocol, subject, address = ''] = process.argv
const app = expressApp((bare) => {
  if (subject === 'path') bare.use('/debug/pprof', (_request, _response, next) => { next() })
  if (subject === 'mounted') bare.use('/debug/pprof', memoryStats())
})
const server = protocol === 'http' ? http.createServer(app) : createServer(app)
server.listen(address, () => process.send?.('ready'))
process.on('disconnect', () => process.exit(0))
process.on('message', () => {
  const { user, system } = process.cpuUsage()
  process.send?.(user + system)
})
