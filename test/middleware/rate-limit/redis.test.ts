/** rate-limit-redis on a real redis-server: shared, killed, stopped, and back again. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { afterEach, expect, it } from '@jest/globals'
import type { Logger } from 'express-rate-limit'
import { RedisStore, type RedisReply } from 'rate-limit-redis'
import { createClient, type RedisClientOptions } from 'redis'
import { rateLimit, type RateLimit, type RateLimitOptions } from '../../../middleware/rate-limit.js'
import { describeIfInstalled } from '../../proxies/support/installed.js'
import { PACKAGE_ROOT } from '../../proxies/support/workspace.js'
import { REDIS, RedisServer } from '../../support/redis-server.js'
import type { AppServer } from '../../support/app-server.js'
import { startLimited } from './support.js'

const PROGRAM = `${PACKAGE_ROOT}/dist/test/middleware/rate-limit/program.js`
const KEY = 'rl:127.0.0.1'

const closers: (() => unknown)[] = []

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

async function startRedis(port?: number): Promise<RedisServer> {
  const redis = await RedisServer.start(port)
  closers.push(() => redis.stop())
  return redis
}

type Client = ReturnType<typeof createClient>

function clientOf(url: string, options: RedisClientOptions = {}): Client {
  const client = createClient({ url, ...options }) as Client
  // It connects again by itself.
  client.on('error', () => undefined)
  closers.push(() => { client.destroy() })
  return client
}

class Log implements Logger {
  readonly lines: string[] = []
  error = (_error: unknown, message = ''): void => { this.lines.push(message) }
  warn = (error: unknown): void => { this.lines.push(String(error)) }
}

interface Started {
  app: AppServer
  limit: RateLimit
  log: Log
}

async function start(client: Client, options: RateLimitOptions = {}): Promise<Started> {
  const log = new Log()
  const store = new RedisStore({ sendCommand: (...command) => client.sendCommand<RedisReply>(command) })
  const limit = rateLimit({ windowMs: 3_600_000, limit: 3, logger: log, store, ...options })
  const app = await startLimited(limit)
  closers.push(() => { app.stop() })
  return { app, limit, log }
}

/** Requests of somebody else until the store is asked and answers again. */
async function untilRecovery({ app, limit }: Started): Promise<void> {
  const recovered = new AbortController()
  limit.events.once('store-recovery', () => { recovered.abort() })
  while (!recovered.signal.aborted) await app.ask({ from: '127.0.0.99' })
}

async function askProcess(port: number): Promise<{ status: number; pid: string }> {
  const response = await fetch(`http://127.0.0.1:${String(port)}/`)
  return { status: response.status, pid: await response.text() }
}

describeIfInstalled(REDIS, 'rate-limit-redis', () => {
  it('two processes share one count', async () => {
    const redis = await startRedis()
    const ports = await Promise.all([1, 2].map(async () => {
      const child = fork(PROGRAM, [redis.url])
      closers.push(async () => {
        child.disconnect()
        await once(child, 'exit')
      })
      return (await once(child, 'message') as [number])[0]
    }))
    const [first = 0, second = 0] = ports
    const passed = [await askProcess(first), await askProcess(second), await askProcess(first)]
    expect(passed.map(({ status }) => status)).toEqual([200, 200, 200])
    expect(new Set(passed.map(({ pid }) => pid)).size).toBe(2)
    expect([(await askProcess(second)).status, (await askProcess(first)).status]).toEqual([429, 429])
  })

  it('killed: the process counts by itself, and in Redis again when one is back', async () => {
    const redis = await startRedis()
    const client = clientOf(redis.url)
    await client.connect()
    const started = await start(client)
    const { app, log } = started
    expect(await app.statuses(2)).toEqual([200, 200])
    expect(await client.get(KEY)).toBe('2')
    await redis.stop()
    expect(await app.statuses(5)).toEqual([200, 200, 200, 429, 429])
    expect(log.lines).toEqual(['rateLimit: the store does not answer; until it does, this process counts by itself'])
    await startRedis(redis.port)
    await untilRecovery(started)
    await client.del(KEY)
    expect(await app.statuses(4)).toEqual([200, 200, 200, 429])
    expect(await client.get(KEY)).toBe('4')
    expect(log.lines[1]).toContain('rateLimit: the store answers again')
  })

  it('stopped: nobody hangs, commands do not pile up, and it counts again when it goes on', async () => {
    const redis = await startRedis()
    const client = clientOf(redis.url)
    await client.connect()
    const started = await start(client, { limit: 50, storeTimeout: 200 })
    const { app, log } = started
    redis.pause()
    const statuses = await app.statuses(60)
    expect(statuses).toEqual([...Array.from({ length: 50 }, () => 200), ...Array.from({ length: 10 }, () => 429)])
    expect(log.lines).toHaveLength(1)
    redis.resume()
    await untilRecovery(started)
    expect(Number(await client.get(KEY))).toBeLessThan(30)
    await client.del(KEY)
    expect(await app.statuses(1)).toEqual([200])
    expect(await client.get(KEY)).toBe('1')
  })

  it('stopped, and many at once: all are answered', async () => {
    const redis = await startRedis()
    const client = clientOf(redis.url)
    await client.connect()
    const { app, log } = await start(client, { limit: 20, storeTimeout: 200 })
    redis.pause()
    const answers = await Promise.all(Array.from({ length: 40 }, () => app.ask()))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(20)
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(20)
    expect(log.lines).toHaveLength(1)
  })

  it('not there when the app starts: counted by itself, and in Redis once it is', async () => {
    const gone = await startRedis()
    await gone.stop()
    const client = clientOf(gone.url)
    const connecting = client.connect()
    const started = await start(client, { storeTimeout: 200 })
    expect(await started.app.statuses(4)).toEqual([200, 200, 200, 429])
    await startRedis(gone.port)
    await connecting
    await untilRecovery(started)
    await client.del(KEY)
    expect(await started.app.statuses(1)).toEqual([200])
    expect(await client.get(KEY)).toBe('1')
  })

  it('a client that does not hold commands back: the scripts that could not be loaded are loaded later', async () => {
    const gone = await startRedis()
    await gone.stop()
    const client = clientOf(gone.url, { disableOfflineQueue: true })
    const connecting = client.connect()
    const started = await start(client)
    expect(await started.app.statuses(4)).toEqual([200, 200, 200, 429])
    await startRedis(gone.port)
    await connecting
    await untilRecovery(started)
    expect(await started.app.statuses(1)).toEqual([200])
    expect(await client.get(KEY)).toBe('1')
  })

  it.each([['pass', 200], ['refuse', 503]] as const)('killed, with onStoreFailure: %s', async (onStoreFailure, status) => {
    const redis = await startRedis()
    const client = clientOf(redis.url)
    await client.connect()
    const { app, log } = await start(client, { onStoreFailure })
    await redis.stop()
    expect(await app.statuses(5)).toEqual([status, status, status, status, status])
    expect(log.lines).toHaveLength(1)
  })
})
