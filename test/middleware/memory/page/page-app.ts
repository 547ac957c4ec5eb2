/** An app with the memory endpoint and a browser in front of it, for the tests of a describe block. */
import { once } from 'node:events'
import http, { type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, jest } from '@jest/globals'
import express from 'express'
import type { Browser, BrowserContextOptions } from 'playwright-core'
import { memoryStats, type MemoryStats, type MemoryStatsOptions } from '../../../../middleware/memory.js'
import { launch, says, visit, type Visit } from './chromium.js'

const APP_POLICY = "default-src 'self'"

export interface PageApp {
  /** Starts the app; its origin. */
  start: (options?: MemoryStatsOptions) => Promise<string>
  /** The page, once it shows that state of its connection. */
  open: (origin: string, options?: BrowserContextOptions, state?: string) => Promise<Visit>
  /** Makes the app keep some megabytes. */
  rememberMuch: () => void
  /** Breaks all connections off. */
  breakConnections: () => void
  closeVisits: () => Promise<void>
}

/** Registers what starts and ends them around each test. */
export function pageApp(): PageApp {
  // A browser starts slowly on a machine that does something else beside.
  jest.setTimeout(120_000)
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
    await closeVisits()
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

  async function open(origin: string, options?: BrowserContextOptions, state = 'Live'): Promise<Visit> {
    const opened = await visit(browser, options)
    visits.push(opened)
    // Without the slash at the end, as people type it.
    await opened.page.goto(`${origin}/debug/pprof`)
    await says(opened.page, '#process-facts', `pid ${String(process.pid)}`)
    await says(opened.page, '#connection', state)
    return opened
  }

  async function closeVisits(): Promise<void> {
    await Promise.all(visits.splice(0).map(({ page }) => page.context().close()))
  }

  return { start, open, rememberMuch, breakConnections: () => { server.closeAllConnections() }, closeVisits }
}
