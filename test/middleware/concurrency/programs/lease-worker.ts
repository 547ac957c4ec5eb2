/**
 * An app whose cap is leased from Redis; its handlers run for as long as the downstream keeps them and
 * their clients stay. argv: a name, and JSON.
 * To the parent: the port, each state of the lease, each limit.
 */
import { once } from 'node:events'
import http from 'node:http'
import net, { type AddressInfo } from 'node:net'
import { createClient } from 'redis'
import { concurrencyLimit, redisLease, type LeaseStatus } from '../../../../middleware/concurrency.js'

export interface WorkerOptions {
  redis: number
  downstream: number
  limit: number
  ttl: number
}

export type News = { port: number } | { lease: LeaseStatus } | { limit: number }

const [name = '', json = '{}'] = process.argv.slice(2)
const options = JSON.parse(json) as WorkerOptions
const client = createClient({ socket: { port: options.redis, host: '127.0.0.1', reconnectStrategy: 50 } })
client.on('error', () => undefined)
await client.connect()

const cap = concurrencyLimit({
  limit: redisLease({ sendCommand: (...command) => client.sendCommand(command), key: 'downstream', limit: options.limit, ttl: options.ttl, timeout: Math.floor(options.ttl / 4) }),
  queue: { max: 1000, timeout: 600_000 },
})
cap.events.on('lease', (lease) => { tell({ lease }) })
cap.events.on('limit', (limit) => { tell({ limit }) })

process.on('disconnect', () => process.exit())

const server = http.createServer((request, response) => {
  cap(request, response, () => void use(response))
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
tell({ port: (server.address() as AddressInfo).port })

async function use(response: http.ServerResponse): Promise<void> {
  const socket = net.connect(options.downstream, '127.0.0.1')
  socket.write(`${name}\n`)
  socket.resume()
  response.on('close', () => { socket.destroy() })
  await once(socket, 'end')
  socket.end()
  response.end('ok')
}

function tell(news: News): void {
  process.send?.(news)
}
