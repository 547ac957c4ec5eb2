/** What a site sees of a cap that is leased from Redis: one process that stands for several, and a real redis-server. */
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals'
import { Registry } from 'prom-client'
import { createClient } from 'redis'
import { concurrencyLimit, redisLease, type ConcurrencyLimit, type ConcurrencyLimitOptions, type LeaseStatus, type RedisLeaseOptions } from '../../../../middleware/concurrency.js'
import { describeIfInstalled } from '../../../proxies/support/installed.js'
import { RedisServer, REDIS } from '../../../support/redis-server.js'
import { AppServer } from '../../../support/app-server.js'

const TTL = 1200
/** Long enough for nobody to wait for it in a test. */
const NEVER = 600_000
const KEY = 'concurrency-limit:db'

/** Turn after turn of the event loop until it holds. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 1))
}

describeIfInstalled(REDIS, 'a cap that is leased from Redis', () => {
  let server: RedisServer
  let client = createClient()
  const apps: AppServer[] = []
  const caps: ConcurrencyLimit[] = []

  function lease(options: Partial<RedisLeaseOptions> = {}, others: ConcurrencyLimitOptions = {}): ConcurrencyLimit {
    const limit = redisLease({ sendCommand: (...command) => client.sendCommand(command), key: 'db', limit: 4, ttl: TTL, ...options })
    const cap = concurrencyLimit({ limit, queue: { max: 99, timeout: NEVER }, ...others })
    caps.push(cap)
    return cap
  }
  async function start(cap: ConcurrencyLimit): Promise<AppServer> {
    const app = await AppServer.start({ carrier: 'Express 5 over HTTP', middleware: cap })
    apps.push(app)
    return app
  }
  async function connect(): Promise<void> {
    client = createClient({ socket: { port: server.port, host: '127.0.0.1', reconnectStrategy: 20 } })
    client.on('error', () => undefined)
    await client.connect()
  }

  beforeAll(async () => {
    server = await RedisServer.start()
    await connect()
  })
  afterEach(async () => {
    jest.restoreAllMocks()
    for (const app of apps.splice(0)) app.stop()
    for (const cap of caps) cap.close()
    await until(() => caps.every(({ lease: status }) => status?.state === 'closed'))
    caps.length = 0
  })
  afterAll(async () => {
    client.destroy()
    await server.stop()
  })

  it('requests wait for the first grant, and run as many as the limit says', async () => {
    const cap = lease()
    const app = await start(cap)
    const answers = Array.from({ length: 6 }, () => app.open().answer)
    await app.entered(4)
    await until(() => cap.waiting === 2)
    expect([cap.limit, cap.lease]).toMatchObject([4, { state: 'held', total: 4, held: 4, wanted: 4, processes: 1 }])
    for (let index = 0; index < 6; index++) (await app.entered(index + 1))[index]?.response.end()
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 200])
  })

  it('one gives back to the other as its requests end, until both have their fair share', async () => {
    const [first, second] = [await start(lease()), await start(lease())]
    const active = (): [number, number] => [caps[0]?.active ?? 0, caps[1]?.active ?? 0]
    for (let count = 0; count < 9; count++) first.open()
    await first.entered(4)
    for (let count = 0; count < 9; count++) second.open()
    // Whoever gets what the first gives back: never more than four run, and soon it is two and two.
    for (let ended = 0; second.visits.length < 2; ended++) {
      first.open()
      first.visits[ended]?.response.end()
      await until(() => first.visits.length + second.visits.length === 5 + ended)
      expect(active()[0] + active()[1]).toBe(4)
    }
    expect(active()).toEqual([2, 2])
  })

  it('what is set later is the limit of all', async () => {
    const cap = lease()
    const app = await start(cap)
    for (let count = 0; count < 9; count++) app.open()
    await app.entered(4)
    cap.limit = 7
    await app.entered(7)
    expect([cap.lease?.total, cap.limit, cap.waiting]).toEqual([7, 7, 2])
    expect(() => { cap.limit = 0 }).toThrow('option limit is 0')
  })

  it('close() gives everything back, once nobody runs', async () => {
    const cap = lease()
    const app = await start(cap)
    app.open()
    const [visit] = await app.entered(1)
    cap.close()
    expect(await client.hLen(KEY)).toBe(1)
    visit?.response.end()
    await until(() => cap.lease?.state === 'closed')
    expect(await client.exists(KEY)).toBe(0)
  })

  it('goes on when Redis has forgotten the script', async () => {
    const cap = lease()
    const app = await start(cap)
    await until(() => cap.lease?.state === 'held')
    await client.scriptFlush()
    for (let count = 0; count < 4; count++) app.open()
    await app.entered(4)
    expect(cap.lease?.state).toBe('held')
  })

  it('a client that connects a little later than the cap is made is none that is away', async () => {
    const connected = client
    client = createClient({ socket: { port: server.port, host: '127.0.0.1' } })
    const cap = lease({ ttl: 60_000, timeout: 20_000 })
    const states: LeaseStatus['state'][] = []
    cap.events.on('lease', ({ state }) => states.push(state))
    await expect(client.ping()).rejects.toThrow('closed')
    await client.connect()
    await until(() => states.length > 0)
    expect(states).not.toContain('away')
    cap.close()
    await until(() => cap.lease?.state === 'closed')
    client.destroy()
    client = connected
  })

  it('while Redis is silent the fallback counts; it says so, and comes back by itself', async () => {
    const cap = lease({ fallback: 2, timeout: 100 })
    const warn = jest.spyOn(process, 'emitWarning').mockReturnValue()
    const registry = new Registry()
    cap.registerMetrics(registry)
    const app = await start(cap)
    await until(() => cap.lease?.state === 'held')
    server.pause()
    await until(() => cap.lease?.state === 'away')
    expect(warn.mock.calls).toEqual([[
      'concurrencyLimit: Redis, which the limit of \'db\' is leased from, is away (no answer within 100 ms): until it is back this process goes by its own cap, a fallback of 2. See express-responder/docs/reference/middleware-errors.md#concurrency_limit_lease_away',
      { type: 'ConcurrencyLimitWarning', code: 'CONCURRENCY_LIMIT_LEASE_AWAY' },
    ]])
    for (let count = 0; count < 4; count++) app.open()
    await app.entered(2)
    expect([cap.limit, cap.active, cap.waiting]).toEqual([2, 2, 2])
    const text = await registry.metrics()
    for (const line of ['concurrency_limit_lease_state{state="away"} 1', 'concurrency_limit_lease_state{state="held"} 0', 'concurrency_limit_lease_total 4', 'concurrency_limit_limit 2']) {
      expect(text).toContain(line)
    }
    server.resume()
    await app.entered(4)
    expect(cap.lease?.state).toBe('held')
  })

  it('goes on with a server that has lost its data', async () => {
    jest.spyOn(process, 'emitWarning').mockReturnValue()
    const cap = lease({ fallback: 3 })
    const app = await start(cap)
    for (let count = 0; count < 9; count++) app.open()
    await app.entered(4)
    const { port } = server
    await server.stop()
    await until(() => cap.lease?.state === 'away')
    server = await RedisServer.start(port)
    await until(() => cap.lease?.state === 'held' && cap.limit === 4)
    expect([cap.active, cap.waiting]).toEqual([4, 5])
    app.visits[0]?.response.end()
    await app.entered(5)
  })

  it('where Redis refuses, it says why', async () => {
    await client.set('concurrency-limit:text', 'no hash')
    const cap = lease({ key: 'text', timeout: 50 })
    const warn = jest.spyOn(process, 'emitWarning').mockReturnValue()
    await until(() => cap.lease?.state === 'away')
    expect(warn.mock.calls).toEqual([[expect.stringContaining('WRONGTYPE'), expect.anything()]])
  })
})

describe('wrong options of a lease', () => {
  const right: RedisLeaseOptions = { sendCommand: () => Promise.resolve(), key: 'db', limit: 100 }
  it.each<[unknown, string]>([
    [undefined, 'redisLease: option sendCommand: give a function that sends a command to Redis: (...command) => client.sendCommand(command)'],
    [{ ...right, sendCommand: 'redis' }, 'option sendCommand is \'redis\': give a function'],
    [{ ...right, key: '' }, 'option key is \'\': give the name of what is capped, such as \'db\''],
    [{ ...right, limit: 0 }, 'option limit is 0: give a whole number from 1'],
    [{ ...right, ttl: 10 }, 'option ttl is 10: give a whole number from 300'],
    [{ ...right, ttl: 3000, timeout: 1001 }, 'option timeout is 1001: give a whole number from 1 to 1000'],
    [{ ...right, fallback: -1 }, 'option fallback is -1: give a whole number of at least 0'],
    [{ ...right, client: {} }, 'option client: no such option'],
  ])('%#', (options, message) => {
    expect(() => redisLease(options as RedisLeaseOptions)).toThrow(expect.objectContaining({ name: 'OptionError', message: expect.stringContaining(message) }))
  })
  it.each<[ConcurrencyLimitOptions, string]>([
    [{ key: () => 'a' }, 'option limit: a lease is one limit for all: leave out key'],
    [{ split: { workers: 2, worker: 0 } }, 'only a number is split: leave it out, for all processes share a lease as it is'],
  ])('with others: %j', (options, message) => {
    expect(() => concurrencyLimit({ limit: redisLease(right), ...options })).toThrow(expect.objectContaining({ name: 'OptionError', message: expect.stringContaining(message) }))
  })
})
