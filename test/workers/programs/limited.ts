/**
 * An Express app that answers as answering.ts does, under limits that it shares with others through Redis. Variables: REDIS the port,
 * CAP how many requests run at a time; RATE how many requests a client of /rated has; RUNS a file that is told which of them begin to
 * run and end, in their order over all processes.
 */
import { once } from 'node:events'
import { openSync, writeSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import express, { type Request, type Response } from 'express'
import { concurrencyLimit, redisLease } from 'express-responder/concurrency'
import { rateLimit } from 'express-responder/rate-limit'
import { RedisStore } from 'rate-limit-redis'
import { createClient } from 'redis'
import { tellArrivals } from '../arrivals.js'

const { REDIS = '', CAP = '', RATE = '', RUNS = '' } = process.env
const client = createClient({ socket: { port: Number(REDIS), host: '127.0.0.1' } })
client.on('error', () => undefined)
await client.connect()
const sendCommand = (...command: string[]): Promise<never> => client.sendCommand(command)
const runs = openSync(RUNS, 'a')
const tell = tellArrivals()

export const app = express()
app.use((request, response, next) => {
  tell?.(request, response)
  next()
})
app.get('/rated', rateLimit({ windowMs: 3_600_000, limit: Number(RATE), store: new RedisStore({ sendCommand }) }), (_request, response) => {
  response.set('X-Process', String(process.pid)).send('rated')
})
app.use(concurrencyLimit({ limit: redisLease({ sendCommand, key: 'hosts', limit: Number(CAP), ttl: 2000 }), queue: { max: 1000, timeout: 60_000 } }))
app.use(async (request: Request, response: Response) => {
  writeSync(runs, `begin ${String(process.pid)}\n`)
  let length = 0
  request.on('data', (chunk: Buffer) => (length += chunk.length))
  if (request.method === 'POST') await once(request, 'end')
  await delay(request.path === '/slow' ? 300 : 20)
  writeSync(runs, `end ${String(process.pid)}\n`)
  response.set({ 'Content-Type': 'text/plain', 'X-Process': String(process.pid) }).end(`${request.method} ${String(length)} ${'.'.repeat(2000)}`)
})
