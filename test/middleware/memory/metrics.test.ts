/** `GET metrics` in an app that has not installed prom-client, which is an optional peer dependency. */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
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

/** As `npm install express-responder express` would: what the package is made of, its dependencies, and no optional peers. */
function install(where: string): void {
  const modules = join(where, 'node_modules')
  const installed = join(modules, 'express-responder')
  mkdirSync(installed, { recursive: true })
  for (const part of ['package.json', 'dist/lib', 'dist/middleware']) cpSync(join(PACKAGE, part), join(installed, part), { recursive: true })
  const { dependencies } = JSON.parse(readFileSync(join(PACKAGE, 'package.json'), 'utf8')) as { dependencies: Record<string, string> }
  for (const name of ['express', ...Object.keys(dependencies)]) {
    const link = join(modules, name)
    mkdirSync(dirname(link), { recursive: true })
    symlinkSync(join(PACKAGE, 'node_modules', name), link, 'dir')
  }
}
