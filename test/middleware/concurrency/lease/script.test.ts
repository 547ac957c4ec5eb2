/** The script that gives out leased slots, under a real Redis, beside a plain model of what is fair. */
import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { createClient } from 'redis'
import { RedisScript } from '../../../../middleware/concurrency/lease/script.js'
import { LEASE_SCRIPT, readGrant, type LeaseGrant } from '../../../../middleware/concurrency/lease/script.js'
import { describeIfInstalled } from '../../../proxies/support/installed.js'
import { RedisServer, REDIS } from '../../../support/redis-server.js'

interface Entry {
  held: number
  need: number
  want: number
  /** When it last got more. */
  since: number
}

const KEY = 'lease'
/** A time that is far away, in milliseconds since 1970. */
const FAR = 4_000_000_000_000
/** Longer than any of these takes, for no record may expire in it; the server must have been up for as long. */
const TTL = 5000
const script = new RedisScript(LEASE_SCRIPT)

const entries = (most: number): fc.Arbitrary<Entry[]> => fc.array(fc.record({
  held: fc.nat(most), need: fc.nat(most), more: fc.nat(5), since: fc.nat(3),
}).map(({ more, ...entry }) => ({ ...entry, want: entry.need + more })), { minLength: 1, maxLength: 8 })

/** Slots are handed out one by one, each to the one that has least: first of what is needed, then of what is wanted besides. */
function fairShares(given: readonly Entry[], limit: number): number[] {
  const shares = given.map(() => 0)
  let left = limit
  for (const tier of ['need', 'spare'] as const) {
    const got = given.map(() => 0)
    const asked = given.map(({ need, want }) => tier === 'need' ? need : want - need)
    const enoughForAll = left >= asked.filter((number) => number > 0).length
    while (left > 0) {
      const open = [...given.keys()].filter((index) => (got[index] ?? 0) < (asked[index] ?? 0))
      open.sort((one, other) => {
        const [a, b] = [given[one], given[other]]
        const byLeast = (got[one] ?? 0) - (got[other] ?? 0)
        const byHeld = tier === 'need' && !enoughForAll ? 0 : (b?.held ?? 0) - (a?.held ?? 0)
        return byLeast || byHeld || (a?.since ?? 0) - (b?.since ?? 0) || one - other
      })
      const [next] = open
      if (next === undefined) break
      got[next] = (got[next] ?? 0) + 1
      shares[next] = (shares[next] ?? 0) + 1
      left -= 1
    }
  }
  return shares
}

/** What all have of what they need, and what they have besides, in order of size. */
function parts(given: readonly Entry[], held: readonly number[]): { needed: number[]; spare: number[] } {
  const bySize = (part: (has: number, need: number) => number): number[] => given.map(({ need }, index) => part(held[index] ?? 0, need)).sort((one, other) => one - other)
  return { needed: bySize(Math.min), spare: bySize((has, need) => Math.max(0, has - need)) }
}

describeIfInstalled(REDIS, 'the script', () => {
  let server: RedisServer
  let redis = createClient()
  const send = (...command: string[]): Promise<unknown> => redis.sendCommand(command)

  async function ask(id: string, turn: number, entry: Omit<Entry, 'since'>, limit: number, ttl = TTL): Promise<LeaseGrant> {
    return readGrant(await script.run(send, KEY, [id, ...[turn, entry.held, entry.need, entry.want, limit, ttl].map(String)]))
  }
  async function heldBy(id: string): Promise<number | undefined> {
    const record = await redis.hGet(KEY, id)
    return record === null ? undefined : Number(record.split(' ')[2])
  }

  beforeAll(async () => {
    server = await RedisServer.start()
    redis = createClient({ socket: { port: server.port, host: '127.0.0.1' } })
    await redis.connect()
    while ((await ask('first', 1, { held: 0, need: 0, want: 0 }, 1)).settling > 0) await new Promise((resolve) => setTimeout(resolve, 50))
  })
  beforeEach(async () => {
    await redis.del(KEY)
  })
  afterAll(async () => {
    redis.destroy()
    await server.stop()
  })

  it('gives nobody more than it has, while the server has not been up for a ttl', async () => {
    const grant = await ask('a', 1, { held: 3, need: 9, want: 9 }, 10, 60_000)
    expect(grant).toMatchObject({ granted: 3, reserved: 3, share: 9 })
    expect(grant.settling).toBeGreaterThan(0)
  })

  it('gives each its fair share, of what is free', async () => {
    await fc.assert(fc.asyncProperty(entries(12), fc.integer({ min: 1, max: 40 }), fc.nat(), async (given, limit, pick) => {
      const mine = pick % given.length
      await redis.del(KEY)
      await redis.hSet(KEY, Object.fromEntries(given.map(({ held, need, want, since }, index) => [String(index), [FAR, 0, held, need, want, since].join(' ')])))
      const me = given[mine] ?? { held: 0, need: 0, want: 0, since: 0 }
      const grant = await ask(String(mine), 1, me, limit)
      const shares = fairShares(given, limit)
      const others = given.reduce((sum, { held }, index) => index === mine ? sum : sum + held, 0)
      const may = Math.max(0, Math.min(shares[mine] ?? 0, limit - others))
      expect(grant).toEqual({ granted: may, reserved: Math.max(me.held, may), share: shares[mine], processes: given.length, settling: 0 })
      expect(await heldBy(String(mine))).toBe(grant.reserved)
    }), { numRuns: 300 })
  })

  it('never gives out more than the limit, and comes to what is fair', async () => {
    await fc.assert(fc.asyncProperty(entries(12), fc.integer({ min: 1, max: 40 }), fc.array(fc.nat(7), { maxLength: 20 }), async (given, limit, order) => {
      await redis.del(KEY)
      const held = given.map(() => 0)
      let turn = 0
      const visit = async (index: number): Promise<void> => {
        const entry = given[index]
        if (entry === undefined) return
        const { granted } = await ask(String(index), ++turn, { ...entry, held: held[index] ?? 0 }, limit)
        held[index] = granted
      }
      for (const index of order) {
        await visit(index)
        expect(held.reduce((sum, one) => sum + one, 0)).toBeLessThanOrEqual(limit)
      }
      for (let round = 0; round < 8; round++) for (const index of given.keys()) await visit(index)
      // Which of several like ones gets what is left over depends on who came first.
      const shares = fairShares(given, limit)
      const needing = given.filter(({ need }) => need > 0).length
      if (limit >= needing) expect(parts(given, held)).toEqual(parts(given, shares))
      else expect(held.reduce((sum, one) => sum + one, 0)).toBeLessThanOrEqual(limit)
    }), { numRuns: 100 })
  })

  it('lets the slots go round where there are fewer than processes', async () => {
    const ids = ['a', 'b', 'c', 'd', 'e']
    const served = new Map(ids.map((id) => [id, 0]))
    const held = new Map(ids.map((id) => [id, 0]))
    for (let round = 0; round < 60; round++) {
      for (const id of ids) {
        const { granted } = await ask(id, round, { held: held.get(id) ?? 0, need: 3, want: 4 }, 2)
        held.set(id, granted)
        served.set(id, (served.get(id) ?? 0) + granted)
      }
    }
    expect(Math.min(...served.values())).toBeGreaterThan(0)
  })

  it('frees what a silent process held, once its record has expired', async () => {
    await ask('dead', 1, { held: 0, need: 10, want: 10 }, 10, 100)
    expect(await heldBy('dead')).toBe(10)
    while ((await ask('alive', 1, { held: 0, need: 4, want: 4 }, 10)).granted === 0) await new Promise((resolve) => setTimeout(resolve, 10))
    expect([await heldBy('dead'), await heldBy('alive')]).toEqual([undefined, 4])
  })

  it('leaves no key behind when all are gone', async () => {
    await ask('a', 1, { held: 0, need: 1, want: 1 }, 10)
    await ask('a', 2, { held: 0, need: 0, want: 0 }, 10, 0)
    expect(await redis.exists(KEY)).toBe(0)
    await ask('b', 1, { held: 0, need: 1, want: 1 }, 10, 50)
    while (await redis.exists(KEY) > 0) await new Promise((resolve) => setTimeout(resolve, 10))
  })

  it('does not listen to a word that comes after a later one', async () => {
    await ask('a', 5, { held: 0, need: 8, want: 8 }, 10)
    await ask('a', 4, { held: 0, need: 1, want: 1 }, 10)
    expect(await heldBy('a')).toBe(8)
  })

  it('is sent whole to a server that does not have it', async () => {
    await redis.scriptFlush()
    expect((await ask('a', 1, { held: 0, need: 1, want: 1 }, 10)).granted).toBe(1)
  })
})
