/** The figures of several caps on one registry of prom-client. */
import { afterEach, describe, expect, it } from '@jest/globals'
import { AggregatorRegistry, Gauge, Registry } from 'prom-client'
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
  it('may not have the same labels: the second registerMetrics() throws', () => {
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
  it.each([
    [{}, {}, 'option registry is {}: give a Registry of prom-client'],
    [undefined, {}, 'option registry is \'undefined\': give a Registry of prom-client'],
    [Registry, {}, 'option registry is [class Registry]'],
    [new Registry(), { labels: { cap: {} } }, 'option labels.cap is {}: give a string'],
  ])('are refused with a name, a code and a remedy: %p, %j', (registry, options, message) => {
    expect(() => { limit({ limit: 1 }).registerMetrics(registry as never, options as never) }).toThrow(expect.objectContaining({
      name: 'OptionError', code: 'ERR_MIDDLEWARE_OPTION', message: expect.stringContaining(`concurrencyLimit.registerMetrics: ${message}`),
    }))
  })
  it('are all there or none, where the app has a metric of the same name', async () => {
    const registry = new Registry()
    registry.registerMetric(new Gauge({ name: 'concurrency_limit_wait_seconds', help: 'Of the app.', registers: [] }))
    expect(() => { limit({ limit: 1 }).registerMetrics(registry) }).toThrow(expect.objectContaining({
      code: 'ERR_MIDDLEWARE_OPTION', message: expect.stringContaining('the registry has a metric concurrency_limit_wait_seconds of something else already: give another prefix'),
    }))
    expect(await registry.getMetricsAsJSON()).toHaveLength(1)
  })
})

it('workers of a cluster: slots and counts are added up', async () => {
  const worker = async (): Promise<object> => {
    const registry = new Registry()
    limit({ limit: 3 }).registerMetrics(registry)
    return registry.getMetricsAsJSON()
  }
  const text = await AggregatorRegistry.aggregate([await worker(), await worker()] as object[]).metrics()
  expect(text).toContain('concurrency_limit_limit 6\n')
  expect(text).toContain('concurrency_limit_active 0\n')
})
