/** The check of free memory before a snapshot. */
import http from 'node:http'
import { afterEach, expect, it } from '@jest/globals'
import request from 'supertest'
import { ProcessMonitor } from '../../../../middleware/memory/process-monitor.js'
import { actionRoutes } from '../../../../middleware/memory/routes/actions.js'

const monitors: ProcessMonitor[] = []

afterEach(() => {
  for (const monitor of monitors.splice(0)) monitor.close()
})

it('a snapshot that may need more than there is is refused, with the numbers', async () => {
  const monitor = new ProcessMonitor()
  monitors.push(monitor)
  const snapshot = actionRoutes(monitor, { gc: true, snapshot: true, profiles: true }, () => 50_000_000).find(({ path }) => path === 'snapshot')
  const server = http.createServer((incoming, response) => {
    response.setHeader('Forced-GC', 'true')
    void snapshot?.handle(incoming, response)
  })
  const { text, headers } = await request(server).post('/snapshot').expect(503).expect('Retry-After', '60')
  expect(headers['forced-gc']).toBeUndefined()
  const { heap, needed, available, detail } = JSON.parse(text) as { heap: number; needed: number; available: number; detail: string }
  expect([needed, available]).toEqual([heap * 12, 50_000_000])
  expect(detail).toMatch(/^A snapshot of \d+.* of heap may need .* and 50.* are free: the process might be killed\.$/)
})
