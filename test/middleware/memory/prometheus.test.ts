/** The metrics of a cluster, and `GET metrics` in an app that has not installed prom-client, an optional peer dependency. */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { AggregatorRegistry, Registry, type MetricObjectWithValues, type MetricValue } from 'prom-client'
import { memoryStats } from '../../../middleware/memory.js'
import { AppProcess } from './app-process.js'

const PACKAGE = fileURLToPath(new URL('../../../../', import.meta.url))
const APP = `import express from 'express'
import { memoryStats } from 'express-responder/memory'

const server = express().use('/debug/pprof', memoryStats({ authorize: () => true })).listen(0, '127.0.0.1', () => {
  process.send({ port: server.address().port })
})
process.once('disconnect', () => process.exit())
`

let directory: string
let app: AppProcess

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'peer-'))
  install(directory)
  writeFileSync(join(directory, 'app.mjs'), APP)
  app = await AppProcess.start({}, join(directory, 'app.mjs'))
})

afterAll(async () => {
  await app.stop()
  rmSync(directory, { recursive: true, force: true })
})

it('says what to install, each time, and where the same figures are', async () => {
  for (let times = 0; times < 2; times++) {
    const response = await fetch(`${app.origin}/debug/pprof/metrics`)
    expect(response.status).toBe(501)
    expect(response.headers.get('Content-Type')).toBe('application/problem+json')
    expect(await response.json()).toMatchObject({
      status: 501, detail: 'prom-client is not installed: npm install prom-client. The same figures are in memstats, as JSON.',
    })
  }
})

it('answers all else', async () => {
  const { memoryUsage } = await (await app.get('/debug/pprof/memstats')).json() as { memoryUsage: NodeJS.MemoryUsage }
  expect(memoryUsage.rss).toBeGreaterThan(10_000_000)
  expect(await (await app.get('/debug/pprof/')).text()).toContain('page.js')
})

it('workers of a cluster: what they share is not added up, what is of one process is', async () => {
  const registry = new Registry()
  const stats = memoryStats({ registry })
  const one = await registry.getMetricsAsJSON()
  stats.close()
  const figures = (metrics: object[]): Record<string, number> => Object.fromEntries((metrics as MetricObjectWithValues<MetricValue<string>>[])
    .flatMap(({ name, values }) => values.map(({ labels, value }) => [`${name.replace('express_responder_', '')}${Object.values(labels).map((label) => ` ${String(label)}`).join('')}`, value])))
  const worker = (values: Readonly<Record<string, number>>): object => one.map((metric) => {
    const value = values[metric.name.replace('express_responder_', '')]
    return value === undefined ? metric : { ...metric, values: [{ labels: {}, value }] }
  })
  const given = { cgroup_memory_bytes: 900, cgroup_memory_limit_bytes: 1000, event_loop_delay_seconds: 0.25, resident_memory_bytes: 400, heap_limit_bytes: 300, requests_in_flight: 2 }
  const [first, second] = [worker(given), worker({ ...given, cgroup_memory_bytes: 905, event_loop_delay_seconds: 0.01 })]
  const both = figures(await AggregatorRegistry.aggregate([first, second] as object[]).getMetricsAsJSON())
  expect(both).toMatchObject({
    cgroup_memory_bytes: 905, cgroup_memory_limit_bytes: 1000, event_loop_delay_seconds: 0.25,
    resident_memory_bytes: 800, heap_limit_bytes: 600, requests_in_flight: 4, 'memory_verdict warming': 2, 'memory_verdict ok': 0,
  })
})

/** As `npm install express-responder express` would: what the package is made of, its dependencies, and no optional peers. */
function install(where: string): void {
  const modules = join(where, 'node_modules')
  const installed = join(modules, 'express-responder')
  mkdirSync(installed, { recursive: true })
  for (const part of ['package.json', 'dist/lib', 'dist/middleware', 'dist/shared']) cpSync(join(PACKAGE, part), join(installed, part), { recursive: true })
  const { dependencies } = JSON.parse(readFileSync(join(PACKAGE, 'package.json'), 'utf8')) as { dependencies: Record<string, string> }
  for (const name of ['express', ...Object.keys(dependencies)]) {
    const link = join(modules, name)
    mkdirSync(dirname(link), { recursive: true })
    symlinkSync(join(PACKAGE, 'node_modules', name), link, 'dir')
  }
}
