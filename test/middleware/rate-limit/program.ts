/** A server of its own process, whose limit of three counts in Redis. Its parent gets the port. */
import type { AddressInfo } from 'node:net'
import http from 'node:http'
import { RedisStore, type RedisReply } from 'rate-limit-redis'
import { createClient } from 'redis'
import { rateLimit } from '../../../middleware/rate-limit.js'
import { mountLimits } from './support.js'

const client = createClient({ url: process.argv[2] ?? '' })
await client.connect()
const store = new RedisStore({ sendCommand: (...command) => client.sendCommand<RedisReply>(command) })
const limit = rateLimit({ windowMs: 3_600_000, limit: 3, store })
const server = http.createServer(mountLimits('Express 5 over HTTP', [limit], (_request, response) => { response.end(String(process.pid)) }))
server.listen(0, '127.0.0.1', () => { process.send?.((server.address() as AddressInfo).port) })
process.on('disconnect', () => { process.exit() })
