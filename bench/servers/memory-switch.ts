/**
 * One process with two servers, on the path that is its second argument: an Express app without the memory endpoint, and on
 * the same path with `.mounted` one that has it. Its parent switches the endpoint on and off, and is told the CPU time of
 * the process so far. First argument: `http` or `fastcgi`.
 */
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer } from 'express-responder'
import { memoryStats, type MemoryStats } from 'express-responder/memory'
import { expressApp } from './app.js'

const [, , protocol, address = ''] = process.argv
let stats: MemoryStats | undefined

function endpoint(request: IncomingMessage, response: ServerResponse, next: () => void): void {
  if (stats === undefined) next()
  else stats(request, response, next)
}

const create = protocol === 'http' ? http.createServer : createServer
create(expressApp()).listen(address)
create(expressApp((app) => app.use('/debug/pprof', endpoint))).listen(`${address}.mounted`, () => process.send?.('ready'))
process.on('disconnect', () => process.exit(0))
process.on('message', (wanted) => {
  if (wanted === 'on') stats ??= memoryStats()
  if (wanted === 'off') {
    stats?.close()
    stats = undefined
  }
  const { user, system } = process.cpuUsage()
  process.send?.(user + system)
})
