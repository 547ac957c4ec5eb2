/** The status page in a real browser. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { CHROMIUM, launch, says, textOf, violations, visit, type Visit } from '../middleware/memory/page/chromium.js'
import { describeIfInstalled } from '../proxies/support/installed.js'
import { hourOf, startPageServer, type PageServer } from './page-server.js'
import { cap, pool, report, sources, worker } from './pool.js'

describeIfInstalled(CHROMIUM, 'the status page', () => {
  let browser: Browser
  let server: PageServer
  const visits: Visit[] = []

  beforeAll(async () => { browser = await launch() })
  afterAll(async () => { await browser.close() })
  beforeEach(async () => {
    server = await startPageServer()
    present()
    server.replies.set('history.json', hourOf(2, Date.now()))
  })
  afterEach(async () => {
    await Promise.all(visits.splice(0).map(({ page }) => page.context().close()))
    await server.close()
  })

  /** The pool as it is now, by the browser's clock. */
  function present(given: Parameters<typeof pool>[0] = {}): void {
    const now = Date.now()
    const workers = [0, 1].map((place) => worker({ worker: place, pid: 1000 + place, startedAt: now - 3_600_000, reportedAt: now, report: report({ requests: 1000 * (place + 1) }) }))
    server.observer.now = pool({ startedAt: now - 7_200_000, workers, ...given })
  }

  async function open(options: BrowserContextOptions = {}): Promise<Visit> {
    const opened = await visit(browser, options)
    visits.push(opened)
    await opened.page.goto(server.address)
    await says(opened.page, '#connection', 'Live')
    return opened
  }

  async function width(page: Page): Promise<number> {
    return await page.evaluate('document.documentElement.scrollWidth')
  }

  it.each([
    ['light, wide', { viewport: { width: 1200, height: 900 }, colorScheme: 'light' }],
    ['dark, on a phone', { viewport: { width: 400, height: 800 }, colorScheme: 'dark' }],
  ] as const)('has nothing for axe-core to find, nothing to complain of, and no scrolling sideways: %s', async (_, options) => {
    const { page, complaints, requested } = await open(options)
    // The table has a thousand cells, which axe-core takes long over: once is enough.
    if (options.colorScheme === 'light') {
      await page.getByText('The figures as a table').click()
      await says(page, '#figures-rows', ':')
    }
    expect(await violations(page)).toEqual([])
    expect(await width(page)).toBe(options.viewport.width)
    expect(complaints).toEqual([])
    expect(requested.filter((address) => !address.startsWith(server.address))).toEqual([])
  })

  it('shows the state, each worker, caps, recoveries and what runs for long', async () => {
    const { page } = await open()
    expect(await textOf(page, '#state-title')).toBe('Ready')
    expect(await textOf(page, '#address')).toBe('/run/app/app.sock')
    expect(await textOf(page, '#state-facts')).toMatch(/Waiting in the kernel\s*3\s*of 4,096; 3 at most so far/)
    expect(await page.locator('#workers-rows tr').count()).toBe(2)
    expect(await textOf(page, '#workers-rows tr:first-child')).toMatch(/^0\s*pid 1000\s*ready\s*generation 0\s*1 h\s*1,000/)
    expect(await textOf(page, '#caps-rows tr:first-child')).toMatch(/0\s*cap 0\s*5\s*10\s*2\s*40\s*7/)
    expect(await textOf(page, '#recoveries')).toMatch(/\/users\/:id · throw\s*6/)
    expect(await textOf(page, '#slow')).toMatch(/GET \/report · worker 0\s*2 s/)
  })

  it('draws a curve for each worker over the hour, and goes on with what comes', async () => {
    const { page } = await open()
    await says(page, '#legend', /worker 0\s*worker 1/)
    expect(await page.locator('#chart-requests .curve').count()).toBe(2)
    await page.getByRole('radio', { name: 'Hour' }).check()
    await page.locator('#chart-memory .curve').first().waitFor()
    const path = await page.locator('#chart-memory .curve').first().getAttribute('d')
    expect(path).toMatch(/^M\d+,[\d.]+(?:L\d+,[\d.]+){100}/)
    expect(path).not.toMatch(/NaN|Infinity/)
    present({ workers: [worker({ reportedAt: Date.now(), report: report({ active: 777 }) })] })
    await says(page, '#read-active', '777')
    expect(await page.locator('#chart-active').getAttribute('aria-label')).toMatch(/^Active requests: worker 0 777, worker 1 unknown$/)
  })

  it('reads the moment that is pointed at in all charts', async () => {
    const { page } = await open()
    expect(await textOf(page, '#moment')).toMatch(/^Now, /)
    await page.locator('#chart-active').hover({ position: { x: 200, y: 80 } })
    await page.locator('#moment').filter({ hasText: /^\d\d:\d\d:\d\d$/ }).waitFor()
    expect(await page.locator('#chart-memory .cursor').getAttribute('d')).toMatch(/^M/)
    await page.getByRole('heading', { name: 'Status', exact: true }).hover()
    await page.locator('#moment').filter({ hasText: 'Now' }).waitFor()
  })

  const STATES: readonly (readonly [title: string, arrange: () => void])[] = [
    ['Capped', () => { server.observer.told = () => sources({ concurrencyLimit: [{ ...cap, full: true }] }) }],
    ['Draining', () => { present({ state: 'draining' }) }],
    ['Reloading', () => { present({ state: 'reloading' }) }],
    ['Starting', () => { present({ state: 'starting', workers: [] }) }],
    ['A worker is silent', () => { present({ workers: [worker({ reportedAt: Date.now() - 20_000 })] }) }],
  ]

  it('follows the pool from one state to the next', async () => {
    const { page, complaints } = await open()
    for (const [title, arrange] of STATES) {
      server.observer.told = () => sources()
      arrange()
      await says(page, '#state-title', title)
    }
    expect(complaints).toEqual([])
  })

  it('says that details are missing where a worker does not answer', async () => {
    server.observer.told = ({ pid }) => pid === 1001 ? undefined : sources()
    const { page } = await open()
    expect(await textOf(page, '#state-sentence')).toContain('1 worker did not tell details in time')
    expect(await textOf(page, '#workers-rows tr:last-child')).toContain('no details')
  })

  it('shows markup in names as text', async () => {
    const markup = '<img src=x onerror="window.injected=1">'
    server.observer.told = () => sources({ recovery: [{ total: 1, givenUp: false, counts: [{ route: markup, kind: 'throw', count: 1 }] }] })
    present({ address: markup })
    const { page, complaints } = await open()
    expect(await textOf(page, '#recoveries')).toContain(markup)
    expect(await textOf(page, '#address')).toBe(markup)
    expect(await page.locator('img').count()).toBe(0)
    expect(complaints).toEqual([])
  })

  it('says that nobody answers, and goes on when somebody does', async () => {
    const { page } = await open()
    server.replies.set('status.json', { workers: 'many' })
    await says(page, '#trouble', 'cannot be read')
    server.replies.delete('status.json')
    await says(page, '#connection', 'Live')
    expect(await page.locator('#trouble').isVisible()).toBe(false)
  })

  it('points to the figures where there is no JavaScript', async () => {
    const opened = await visit(browser, { javaScriptEnabled: false })
    visits.push(opened)
    await opened.page.goto(server.address)
    expect(await opened.page.locator('noscript a').first().getAttribute('href')).toBe('status?full')
  })
})
