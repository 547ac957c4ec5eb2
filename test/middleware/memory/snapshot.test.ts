/** Snapshots of the heap, as memoryStats() sends them. Each takes seconds. */
import { expect, it } from '@jest/globals'
import { start, PROTECTED } from './support.js'

it.each(['Express 5 over HTTP', 'Express 5 over FastCGI'] as const)('%s: POST snapshot sends one that Chrome can read', async (carrier) => {
  const server = await start(carrier, { snapshot: true })
  const { status, headers, body } = await server.post('snapshot')
  expect(status).toBe(200)
  expect(headers).toMatchObject({ ...PROTECTED, 'forced-gc': 'true', 'content-type': 'application/json' })
  expect(headers['content-disposition']).toMatch(/^attachment; filename="\d+-\d+\.heapsnapshot"$/)
  expect((JSON.parse(body) as { snapshot: { node_count: number } }).snapshot.node_count).toBeGreaterThan(1000)
})
