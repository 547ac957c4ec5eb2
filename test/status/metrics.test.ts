/** The metrics of all workers, as scrapers read them. */
import { spawnSync } from 'node:child_process'
import { afterEach, describe, expect, it } from '@jest/globals'
import { StatusReporter } from '../../lib/status/status-reporter.js'
import { describeIfInstalled } from '../proxies/support/installed.js'
import { findProgram } from '../proxies/support/programs.js'
import { readOpenMetrics, type Family } from './open-metrics-reader.js'
import { cap, FakePool, pool, report, sources, worker } from './pool.js'

const OPENMETRICS = 'application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1'
const reporters: StatusReporter[] = []

afterEach(() => {
  for (const reporter of reporters.splice(0)) reporter.close()
})

function reporterOf(observer: FakePool): StatusReporter {
  const reporter = new StatusReporter({ observer, backlog: () => ({ waiting: 7, limit: 4096 }) })
  reporters.push(reporter)
  return reporter
}

async function scrape(reporter: StatusReporter, accept = OPENMETRICS): Promise<{ type: string; text: string }> {
  const { headers, body } = await reporter.answer({ method: 'GET', path: 'metrics', query: '', accept })
  return { type: headers['Content-Type'] ?? '', text: body }
}

/** Not so soon that what was told last still serves. */
async function later(reporter: StatusReporter): Promise<Map<string, Family>> {
  await new Promise((resolve) => setTimeout(resolve, 260))
  return readOpenMetrics((await scrape(reporter)).text)
}

function value(families: Map<string, Family>, name: string, labels: Record<string, string> = {}): number | undefined {
  const found = families.get(`express_responder_${name}`)?.samples.find((sample) => Object.entries(labels).every(([label, text]) => sample.labels[label] === text))
  return found?.value
}

describe('the metrics', () => {
  it('are OpenMetrics, of the pool, of each worker and of its middleware', async () => {
    const { type, text } = await scrape(reporterOf(new FakePool()))
    expect(type).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8')
    const families = readOpenMetrics(text)
    expect(value(families, 'pool_requests')).toBe(1200)
    expect(value(families, 'pool_cpu_seconds')).toBe(5)
    expect(families.get('express_responder_pool_cpu_seconds')).toMatchObject({ type: 'counter', unit: 'seconds' })
    expect(value(families, 'pool_accept_backlog')).toBe(7)
    expect(value(families, 'pool_workers', { state: 'ready' })).toBe(2)
    expect(value(families, 'pool_worker_ends', { reason: 'died' })).toBe(4)
    expect(value(families, 'worker_active_requests', { worker: '1' })).toBe(2)
    expect(value(families, 'worker_resident_memory_bytes', { worker: '0' })).toBe(80_000_000)
    expect(value(families, 'concurrency_limit_rejected', { cap: '0', reason: 'queue-full' })).toBe(8)
    expect(value(families, 'concurrency_limit_active', { cap: '0', worker: '0' })).toBe(5)
    expect(value(families, 'rate_limit_limited', { limit: '0' })).toBe(12)
    expect(value(families, 'recoveries', { route: '/users/:id', kind: 'throw' })).toBe(6)
    expect(value(families, 'memory_verdict', { state: 'ok' })).toBe(2)
    expect(value(families, 'slow_requests')).toBe(4)
  })

  it('are Prometheus\' older format for who asks for that alone', async () => {
    const { type, text } = await scrape(reporterOf(new FakePool()), 'text/plain')
    expect(type).toBe('text/plain; version=0.0.4; charset=utf-8')
    expect(text).toContain('# TYPE express_responder_pool_requests_total counter\n')
    expect(text).not.toMatch(/# EOF|# UNIT/)
  })

  it('keep text from the app within its quotes', async () => {
    const observer = new FakePool()
    observer.told = () => sources({ recovery: [{ total: 1, givenUp: false, counts: [{ route: '/a"b\\c\nd\ud800', kind: 'throw', count: 1 }] }] })
    const families = readOpenMetrics((await scrape(reporterOf(observer))).text)
    expect(families.get('express_responder_recoveries')?.samples[0]?.labels['route']).toMatch(/^\/a"b\\c\nd/)
  })

  it('add the two workers up that share a place while one replaces the other', async () => {
    const observer = new FakePool()
    observer.now = pool({ workers: [worker({ state: 'draining', report: report({ active: 3, utilization: 0.9 }) }), worker({ pid: 2000, report: report({ active: 4, utilization: 0.1 }) })] })
    const families = readOpenMetrics((await scrape(reporterOf(observer))).text)
    expect(value(families, 'worker_active_requests', { worker: '0' })).toBe(7)
    expect(value(families, 'worker_event_loop_utilization', { worker: '0' })).toBe(0.9)
  })

  it('mark a partial answer, and keep the counters of who did not answer', async () => {
    const observer = new FakePool()
    const reporter = reporterOf(observer)
    const before = readOpenMetrics((await scrape(reporter)).text)
    expect(value(before, 'pool_workers_unanswered')).toBe(0)
    observer.told = ({ pid }) => pid === 1001 ? undefined : sources()
    const after = await later(reporter)
    expect(value(after, 'pool_workers_unanswered')).toBe(1)
    expect(value(after, 'concurrency_limit_accepted', { cap: '0' })).toBe(80)
    expect(value(after, 'concurrency_limit_active', { worker: '1' })).toBeUndefined()
  })

  it('never fall when workers end, are replaced, or begin to count anew', async () => {
    const observer = new FakePool()
    const reporter = reporterOf(observer)
    await scrape(reporter)
    observer.now = pool({ workers: [worker(), worker({ worker: 1, pid: 2001 })] })
    observer.told = ({ pid }) => sources({ concurrencyLimit: [{ ...cap, accepted: pid === 2001 ? 1 : 40 }] })
    expect(value(await later(reporter), 'concurrency_limit_accepted', { cap: '0' })).toBe(40 + 40 + 1)
    // A cap is closed, and another one made in its place.
    observer.told = ({ pid }) => sources({ concurrencyLimit: [{ ...cap, accepted: pid === 2001 ? 2 : 0 }] })
    expect(value(await later(reporter), 'concurrency_limit_accepted', { cap: '0' })).toBe(40 + 40 + 2)
    observer.now = pool({ workers: [] })
    expect(value(await later(reporter), 'concurrency_limit_accepted', { cap: '0' })).toBe(82)
  })

  it('count what a worker told at its very end', async () => {
    const observer = new FakePool()
    const reporter = reporterOf(observer)
    await scrape(reporter)
    reporter.keep({ worker: 0, pid: 1000, sources: sources({ concurrencyLimit: [{ ...cap, accepted: 45 }] }) })
    observer.now = pool({ workers: [worker({ worker: 1, pid: 1001 })] })
    expect(value(await later(reporter), 'concurrency_limit_accepted', { cap: '0' })).toBe(85)
  })

  it('do not mind what a worker of another version tells', async () => {
    const observer = new FakePool()
    observer.told = () => ({ concurrencyLimit: 'many', rateLimit: [null, 5, { passed: 'x' }], recovery: [{ error: 'gone' }], memoryStats: [[]], slowRequests: [{}], other: [1] })
    const families = readOpenMetrics((await scrape(reporterOf(observer))).text)
    expect(value(families, 'rate_limit_passed', { limit: '0' })).toBe(0)
    expect(value(families, 'pool_workers_unanswered')).toBe(0)
  })

  it('cost the workers one question, however many scrape at once', async () => {
    const observer = new FakePool()
    const reporter = reporterOf(observer)
    await Promise.all(Array.from({ length: 20 }, () => scrape(reporter)))
    expect(observer.asked).toBe(1)
  })
})

const READ_BY_PYTHON = `
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
print(sum(len(family.samples) for family in text_string_to_metric_families(sys.stdin.read())))
`
const python = ['/usr/bin/python3', 'python3'].find((program) => spawnSync(program, ['-c', 'import prometheus_client.openmetrics.parser']).status === 0)

describeIfInstalled({ package: 'python3-prometheus-client', installed: python !== undefined }, 'OpenMetrics\' reference parser', () => {
  it('reads all samples of them', async () => {
    const { text } = await scrape(reporterOf(new FakePool()))
    const { stdout, stderr } = spawnSync(python ?? 'python3', ['-c', READ_BY_PYTHON], { input: text, encoding: 'utf8' })
    expect(stderr).toBe('')
    expect(Number(stdout)).toBe(text.split('\n').filter((line) => line !== '' && !line.startsWith('#')).length)
  })
})

const promtool = findProgram('promtool')

describeIfInstalled({ package: 'prometheus', installed: promtool !== undefined }, 'promtool', () => {
  it('finds nothing wrong with the older format', async () => {
    const { text } = await scrape(reporterOf(new FakePool()), 'text/plain')
    const { status, stdout, stderr } = spawnSync(promtool ?? 'promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' })
    expect(stdout + stderr).toBe('')
    expect(status).toBe(0)
  })
})
