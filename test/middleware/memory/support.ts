/** Endpoints and servers of a test, closed after it. */
import { afterEach, expect, jest } from '@jest/globals'
import { memoryStats, type MemoryStats, type MemoryStatsOptions } from '../../../middleware/memory.js'
import { MemoryServer, type Answer } from './memory-server.js'

const servers: MemoryServer[] = []

const endpoints: MemoryStats[] = []

afterEach(() => {
  for (const server of servers.splice(0)) server.stop()
  for (const endpoint of endpoints.splice(0)) endpoint.close()
  jest.restoreAllMocks()
})

export async function start(...args: Parameters<typeof MemoryServer.startWith>): Promise<MemoryServer> {
  const server = await MemoryServer.startWith(...args)
  servers.push(server)
  return server
}

export function endpoint(options: MemoryStatsOptions = { authorize: () => true }): MemoryStats {
  const stats = memoryStats(options)
  endpoints.push(stats)
  return stats
}

export function problem({ status, headers, body }: Answer): Record<string, unknown> {
  expect(headers['content-type']).toBe('application/problem+json')
  const parsed = JSON.parse(body) as Record<string, unknown>
  expect(parsed['status']).toBe(status)
  return parsed
}

export const JSON_ONLY = { Accept: 'application/json' }

export const PROTECTED = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' }
