/** The figures of several caps on one registry of prom-client. */
import { afterEach, describe, expect, it } from '@jest/globals'
import { Registry } from 'prom-client'
import { concurrencyLimit, type ConcurrencyLimit, type ConcurrencyLimitOptions } from '../../../middleware/concurrency.js'

const caps: ConcurrencyLimit[] = []

afterEach(() => {
  for (const cap of caps.splice(0)) cap.close()
})

function limit(options: ConcurrencyLimitOptions): ConcurrencyLimit {
  const cap = concurrencyLimit(options)
  caps.push(cap)
  return cap
}

describe('two caps on one registry', () => {
  it('are told apart by their labels', async () => {
    const registry = new Registry()
    limit({ limit: 3 }).registerMetrics(registry, { labels: { cap: 'api' } })
    limit({ limit: 5 }).registerMetrics(registry, { labels: { cap: 'reports' } })
    const text = await registry.metrics()
    expect(text).toContain('concurrency_limit_limit{cap="api"} 3\n')
    expect(text).toContain('concurrency_limit_limit{cap="reports"} 5\n')
    expect(text.match(/# TYPE concurrency_limit_limit /g)).toHaveLength(1)
    expect(text).toContain('concurrency_limit_wait_seconds_count{cap="reports"} 0\n')
  })
  it('may not have the same ones', () => {
    const registry = new Registry()
    limit({ limit: 3 }).registerMetrics(registry, { labels: { cap: 'api' } })
    const other = limit({ limit: 5 })
    expect(() => { other.registerMetrics(registry, { labels: { cap: 'api' } }) }).toThrow('concurrencyLimit.registerMetrics: option labels')
  })
  it('begin anew once the registry has been cleared', async () => {
    const registry = new Registry()
    limit({ limit: 3 }).registerMetrics(registry)
    registry.clear()
    limit({ limit: 5 }).registerMetrics(registry)
    expect(await registry.metrics()).toContain('concurrency_limit_limit 5\n')
  })
  it.each([[{ prefix: '' }, 'option prefix'], [{ prefix: 'my-app' }, 'option prefix'], [{ label: {} }, 'option label'], [{ labels: { 'a-b': 'c' } }, 'option labels']])('wrong: %j', (options, message) => {
    expect(() => { limit({ limit: 1 }).registerMetrics(new Registry(), options as object) }).toThrow(`concurrencyLimit.registerMetrics: ${message}`)
  })
})
