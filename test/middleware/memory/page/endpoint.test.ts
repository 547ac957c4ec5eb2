/** The page as people meet it: in a real browser, in front of the endpoint itself, in an app that has something to do. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import http, { type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, jest } from '@jest/globals'
import express from 'express'
import type { Browser, BrowserContextOptions } from 'playwright-core'
import { memoryStats, type MemoryStats, type MemoryStatsOptions } from '../../../../middleware/memory.js'
import { describeIfInstalled } from '../../../proxies/support/installed.js'
import { freePort } from '../../../proxies/support/ports.js'
import { findProgram } from '../../../proxies/support/programs.js'
import { CHROMIUM, launch, says, textOf, violations, visit, type Visit } from './chromium.js'

// A browser starts slowly on a machine that does something else beside.
jest.setTimeout(120_000)

const nginx = findProgram('nginx')
const APP_POLICY = "default-src 'self'"

describeIfInstalled(CHROMIUM, 'the memory page in front of its endpoint', () => {
  let browser: Browser
  let server: Server
  let stats: MemoryStats
  let visits: Visit[]
  /** What the app remembers. */
  let remembered: object[][]

  beforeAll(async () => { browser = await launch() })
  afterAll(() => browser.close())
  beforeEach(() => {
    visits = []
    remembered = []
  })
  afterEach(async () => {
    await Promise.all(visits.map(({ page }) => page.context().close()))
    stats.close()
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  })

  function rememberMuch(): void {
    remembered.push(Array.from({ length: 300_000 }, (_, index) => ({ index })))
  }

  async function start(options: MemoryStatsOptions = {}): Promise<string> {
    stats = memoryStats(options)
    const app = express().set('env', 'test')
    app.use((_request, response, next) => {
      response.setHeader('Content-Security-Policy', APP_POLICY)
      next()
    })
    app.use('/debug/pprof', stats)
    app.use((_request, response) => {
      rememberMuch()
      response.end('of the app')
    })
    server = http.createServer(app as RequestListener).listen(0, '127.0.0.1')
    await once(server, 'listening')
    return `http://localhost:${String((server.address() as AddressInfo).port)}`
  }

  /** A real nginx in front that holds answers back, whatever they say of it. */
  async function buffering(origin: string): Promise<{ origin: string; stop: () => Promise<void> }> {
    const directory = mkdtempSync(join(tmpdir(), 'page-'))
    const port = await freePort()
    const folders = ['client_body', 'fastcgi', 'proxy', 'scgi', 'uwsgi'].map((kind) => `${kind}_temp_path ${directory}/${kind};`).join(' ')
    writeFileSync(join(directory, 'nginx.conf'), `daemon off; ${process.getuid?.() === 0 ? 'user root;' : ''} worker_processes 1; pid ${directory}/pid; error_log stderr crit;
      events {} http { ${folders} access_log off; proxy_ignore_headers X-Accel-Buffering; proxy_buffers 8 64k; proxy_buffer_size 64k;
      server { listen 127.0.0.1:${String(port)}; location / { proxy_pass ${origin.replace('localhost', '127.0.0.1')}; } } }`)
    const child = spawn(nginx ?? 'nginx', ['-c', join(directory, 'nginx.conf'), '-p', directory, '-e', 'stderr'], { stdio: 'ignore' })
    const ended = once(child, 'exit')
    const address = `http://127.0.0.1:${String(port)}`
    while (!await fetch(address).then(() => true, () => false)) await new Promise(setImmediate)
    return { origin: address, stop: async () => {
      child.kill()
      await ended
      rmSync(directory, { recursive: true, force: true })
    } }
  }

  async function open(origin: string, options?: BrowserContextOptions, state = 'Live'): Promise<Visit> {
    const opened = await visit(browser, options)
    visits.push(opened)
    // Without the slash at the end, as people type it.
    await opened.page.goto(`${origin}/debug/pprof`)
    await says(opened.page, '#process-facts', `pid ${String(process.pid)}`)
    await says(opened.page, '#connection', state)
    return opened
  }

  it('shows this process, live, and complains of nothing under the policy', async () => {
    const origin = await start()
    const { page, complaints, requested } = await open(origin)
    expect(page.url()).toBe(`${origin}/debug/pprof/`)
    expect(await textOf(page, '#verdict-title')).not.toBe('Loading')
    await says(page, '#figure-rss', /\d [MG]B/)
    await says(page, '#spaces-rows', 'old_space')
    await says(page, '#moment', /^Now, \d\d:\d\d:\d\d$/)
    const first = await textOf(page, '#moment')
    await fetch(`${origin}/work`)
    // A later sample has come.
    await page.locator('#moment').filter({ hasNotText: first }).waitFor()
    expect(new Set(requested.map((address) => new URL(address).origin))).toEqual(new Set([origin]))
    expect(complaints).toEqual([])
  })

  it('sets a mark and shows what has grown since, and says in words how old it is, and when it is too soon for more', async () => {
    const origin = await start()
    const { page, complaints } = await open(origin)
    await page.getByRole('button', { name: 'Set mark' }).click()
    await says(page, '#sites-message', 'The mark is set.')
    await fetch(`${origin}/work`)
    await page.getByRole('button', { name: 'Refresh' }).click()
    await says(page, '#sites-rows tr:first-child', /endpoint\.test\.[jt]s.*\+\d[\d.]* MB/s)
    expect(complaints).toEqual([])
    await page.getByRole('button', { name: 'Refresh' }).click()
    await says(page, '#sites-message', /Taken \d+ seconds? ago: so soon after it no new profile is made\./)
    await page.getByRole('button', { name: 'Set mark' }).click()
    await says(page, '#sites-message', 'The mark is set.')
    await page.getByRole('button', { name: 'Refresh' }).click()
    await says(page, '#sites-message', /forces a collection, and so did callsites just now\..*Try again/s)
    // The browser itself says on the console that an answer was a 429.
    expect(complaints.filter((complaint) => !complaint.includes('429'))).toEqual([])
  })

  it('checks how memory settles', async () => {
    const { page, complaints } = await open(await start())
    await page.getByRole('button', { name: 'Check now' }).click()
    await says(page, '#settle-message', /^The collection freed/)
    expect(await page.locator('#settle-parts > li').count()).toBeGreaterThanOrEqual(4)
    expect(complaints).toEqual([])
  })

  it('collects where that is allowed', async () => {
    const { page, complaints } = await open(await start({ gc: true }))
    await page.getByRole('button', { name: 'Collect now' }).click()
    await says(page, '#tools-message', 'A collection was forced')
    await says(page, '#note-live-heap', 'forced GC')
    // Beside it the verdict, which is warming up, has judged none.
    expect(await textOf(page, '#verdict-facts')).toMatch(/^Collections judged\s+0\s+0 periods, \d+ needed; those of the first minutes do not count\s/)
    expect(complaints).toEqual([])
  })

  it.each([
    ['light', { colorScheme: 'light' }],
    ['on a phone, dark', { viewport: { width: 360, height: 740 }, colorScheme: 'dark' }],
  ] as const)('has nothing for axe-core to find, %s', async (_, options) => {
    const { page } = await open(await start({ gc: true, snapshot: true, scrapeInterval: 0 }), options)
    rememberMuch()
    await page.getByText('The figures as a table').click()
    await page.getByRole('button', { name: 'Refresh' }).click()
    await says(page, '#sites-rows', 'endpoint.test')
    await page.getByRole('button', { name: 'Check now' }).click()
    await says(page, '#settle-message', /^The collection freed/)
    expect(await violations(page)).toEqual([])
    expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true)
  })

  it('reconnects by itself when the app is there again', async () => {
    const origin = await start()
    const { page } = await open(origin)
    server.closeAllConnections()
    await says(page, '#connection', 'Reconnecting')
    await says(page, '#connection', 'Live')
  })

  it.each(nginx === undefined ? [] : ['nginx'])('asks for itself where %s holds the stream of events back, and its times go on', async () => {
    const proxy = await buffering(await start({ authorize: () => true }))
    try {
      const { page, complaints } = await open(proxy.origin, undefined, 'Asking every two seconds')
      const facts = await textOf(page, '#process-facts')
      const moment = await textOf(page, '#moment')
      // A process that has been up for long tells whole minutes.
      await page.locator('#process-facts').filter({ hasNotText: facts }).waitFor({ timeout: 75_000 })
      expect(await textOf(page, '#moment')).not.toBe(moment)
      expect(complaints).toEqual([])
    } finally {
      await Promise.all(visits.splice(0).map(({ page }) => page.context().close()))
      await proxy.stop()
    }
  })
})
