/** What is costly: shared with who asks again soon, waited for, told before it is asked for. */
import { afterEach, describe, expect, it } from '@jest/globals'
import express from 'express'
import request from 'supertest'
import { memoryStats, type MemoryStats, type MemoryStatsOptions } from '../../../../middleware/memory.js'
import type { Columns } from '../../../../middleware/memory/sampling/history.js'
import { MemoryServer } from '../memory-server.js'

const servers: MemoryServer[] = []
const endpoints: MemoryStats[] = []

afterEach(() => {
  for (const server of servers.splice(0)) server.stop()
  for (const endpoint of endpoints.splice(0)) endpoint.close()
})

function endpoint(options: MemoryStatsOptions): MemoryStats {
  const stats = memoryStats(options)
  endpoints.push(stats)
  return stats
}

describe('who asks again soon', () => {
  it('gets the profile that was taken last, and its age; nothing is forced', async () => {
    const app = express().use('/debug', endpoint({ authorize: () => true }))
    await request(app).get('/debug/heap').expect(200).expect('Forced-GC', 'true')
    for (const path of ['heap', 'heap?debug=1', 'callsites']) {
      const { headers, text } = await request(app).get(`/debug/${path}`).expect(200).expect('Age', /^\d$/)
      expect([path, headers['forced-gc']]).toEqual([path, undefined])
      if (path === 'callsites') expect(JSON.parse(text)).toMatchObject({ mark: null, age: Number(headers['age']) })
      if (path === 'heap?debug=1') expect(text).toMatch(/^# Samples were taken \d s before they were sent, for another request; MemStats are from now\.$/m)
    }
  })

  it('is told for how long there is none, where an old one would be wrong', async () => {
    const app = express().use('/debug', endpoint({ authorize: () => true }))
    await request(app).get('/debug/heap').expect(200)
    const { text } = await request(app).get('/debug/heap?seconds=1').expect(429).expect('Retry-After', /^\d+$/)
    expect(text).toMatch(/^This forces a collection, and so did heap just now\. Try again in (?:10|\d) seconds?\.$/m)
    await request(app).post('/debug/mark').expect(200)
    // Nothing could have grown in a profile that is as old as the mark.
    await request(app).get('/debug/callsites').expect(429).expect('Retry-After', /^\d+$/)
  })

  it('gets no second profile of the processor within the time, whose start holds the app up', async () => {
    const app = express().use('/debug', endpoint({ authorize: () => true }))
    await request(app).get('/debug/profile?seconds=1').expect(200)
    const { text } = await request(app).get('/debug/profile?seconds=1').expect(429).expect('Retry-After', /^\d+$/)
    expect(text).toMatch(/^This holds the app up, and so did profile just now\. Try again in \d+ seconds?\.$/m)
    await request(app).get('/debug/profile?seconds=0').expect(429)
  })

  it('waits for a profile of the processor that is soon over', async () => {
    let asked = (): void => undefined
    const begun = new Promise<void>((resolve) => { asked = resolve })
    const server = await MemoryServer.startWith('plain http', { authorize: () => { asked(); return true } })
    servers.push(server)
    const profile = server.get('profile?seconds=1')
    await begun
    expect((await server.get('heap')).status).toBe(200)
    expect((await profile).status).toBe(200)
  })
})

it('says what is costly before it is asked for, by the size of the heap', async () => {
  const app = express().use('/debug', endpoint({ authorize: () => true }))
  for (const path of ['memstats', 'history']) {
    const { costs } = JSON.parse((await request(app).get(`/debug/${path}`).expect(200)).text) as { costs: Record<'collection' | 'profile' | 'snapshot', [number, number]> & { snapshotMemory: number } }
    for (const [least, most] of [costs.collection, costs.profile, costs.snapshot]) expect([least > 0, most > least]).toEqual([true, true])
    expect(costs.snapshotMemory).toBeGreaterThan(12 * 10_000_000)
  }
})

it('history, since a moment: what is newer, and no more', async () => {
  const stats = endpoint({ authorize: () => true })
  const app = express().use('/debug', stats)
  const read = async (query: string): Promise<{ fine: Columns; coarse: Columns }> => JSON.parse((await request(app).get(`/debug/history${query}`).expect(200)).text) as { fine: Columns; coarse: Columns }
  let all = await read('')
  while (all.fine.time.length < 2) all = await read('')
  const [first = 0] = all.fine.time
  const { fine, coarse } = await read(`?since=${String(first)}`)
  expect([fine.time.includes(first), fine.time.slice(0, 1), fine.rss.length]).toEqual([false, all.fine.time.slice(1, 2), fine.time.length])
  expect(coarse.time).toEqual([])
  expect((await request(app).get('/debug/history?since=yesterday').expect(400)).text).toContain('since=yesterday: give one whole number')
})
