/** Real pools whose callbacks throw: nobody is answered who has not failed. `npm run soak -- recovery-pools` has the long run. */
import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals'
import { describeIfInstalled } from '../../../proxies/support/installed.js'
import { POSTGRESQL, PostgresServer } from '../../../support/postgres-server.js'
import { REDIS, RedisServer } from '../../../support/redis-server.js'
import type { ClientName } from './clients.js'
import { load, PoolProgram } from './load.js'
import type { PoolSetting } from './program.js'

/** A new database takes a second, and much longer on a machine that is busy, in milliseconds. */
const START_LIMIT = 120_000

let program: PoolProgram | undefined

afterEach(async () => {
  await program?.stop()
  program = undefined
})

/** @param boundOnly those that are only tried bound, to save time */
function testsOf(clients: readonly ClientName[], boundOnly: readonly ClientName[], server: () => PoolSetting['server']): void {
  const start = async (client: ClientName, bound: boolean, intensity: PoolSetting['intensity'] = false): Promise<PoolProgram> => {
    program = await PoolProgram.start({ client, bound, server: server(), intensity })
    return program
  }
  it.each([...clients, ...boundOnly])('%s, bound: each request is answered, and for itself', async (client) => {
    const { wronged, unanswered } = await load(await start(client, true), 60, 20)
    expect({ wronged, unanswered }).toEqual({ wronged: [], unanswered: 0 })
  })
  it.each(clients)('%s, as it is: no innocent request is answered wrongly, or named in a report', async (client) => {
    const started = await start(client, false)
    const { wronged } = await load(started, 60, 20, { timeout: 3000, traffic: true })
    const named = started.reports.filter(({ url }) => /^\/(fine|slow)\//.test(url))
    expect({ wronged, named }).toEqual({ wronged: [], named: [] })
  })
  it.each(clients)('%s, as it is: the one that was alone gets its 500', async (client) => {
    const started = await start(client, false)
    expect(await started.get('/fine/1')).toEqual({ status: 200, body: 'fine 1' })
    expect(await started.get('/fail/2')).toMatchObject({ status: 500 })
    expect(await started.get('/fine/3')).toEqual({ status: 200, body: 'fine 3' })
  })
  it.each(clients)('%s, as it is: a process whose requests hang gives up', async (client) => {
    const started = await start(client, false, { max: 3, windowMs: 60_000 })
    const asked = load(started, 60, 20)
    expect(await started.exited).toBe(1)
    await asked
  })
}

describeIfInstalled(POSTGRESQL, 'pools of PostgreSQL', () => {
  let server: PostgresServer
  let starting: Promise<PostgresServer> | undefined
  beforeAll(async () => {
    starting = PostgresServer.start()
    server = await starting
  }, START_LIMIT)
  // Also where it has come too late.
  afterAll(async () => { await (await starting)?.stop() }, START_LIMIT)
  testsOf(['pg', 'pg, one connection'], [], () => server)
})

describeIfInstalled(REDIS, 'clients of Redis', () => {
  let server: RedisServer
  let starting: Promise<RedisServer> | undefined
  beforeAll(async () => {
    starting = RedisServer.start()
    server = await starting
  }, START_LIMIT)
  // Also where it has come too late.
  afterAll(async () => { await (await starting)?.stop() }, START_LIMIT)
  testsOf(['redis 3', 'ioredis'], ['redis 3, multi'], () => ({ host: '127.0.0.1', port: server.port }))
  it.each(['redis', 'ioredis'])('%s, trackPromises: a command that nobody awaits and that Redis refuses is the failure of its request', async (client) => {
    const started = await PoolProgram.start({
      client: 'ioredis', bound: false, server: { host: '127.0.0.1', port: server.port }, intensity: false, trackPromises: true,
    })
    program = started
    const slow = started.get('/slow/1')
    const refused = await Promise.all(['?1', '?2', '?3'].map((query) => started.get(`/refused/${client}${query}`)))
    expect(refused.map(({ status }) => status)).toEqual([500, 500, 500])
    expect(await slow).toEqual({ status: 200, body: 'fine 1' })
    await started.reported(3)
    expect(started.reports.map(({ url }) => url).sort()).toEqual(['?1', '?2', '?3'].map((query) => `/refused/${client}${query}`))
  })
})
