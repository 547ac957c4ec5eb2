/** The page as people meet it: in a real browser, against a server with made-up data. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, jest } from '@jest/globals'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { describeIfInstalled } from '../../../proxies/support/installed.js'
import { CHROMIUM, inPage, launch, pointsOf, says, textOf, violations, visit, type Visit } from './chromium.js'
import {
  CALL_SITES, columnsOf, emptyHistory, history, MARKUP, MB, NOW, nulls, oneSample, PID, sampleAfter, settleReport, verdictOf, withMarkup,
} from './histories.js'
import { StandIn } from './stand-in.js'
import type { History } from '../../../../middleware/memory/page/browser/api.js'

// A browser starts slowly on a machine that does something else beside.
jest.setTimeout(120_000)

const PHONE = { viewport: { width: 360, height: 740 } }
const STATES = ['warming', 'ok', 'growing', 'leak-suspected', 'native-growth'] as const

describeIfInstalled(CHROMIUM, 'the memory page in Chromium', () => {
  let browser: Browser
  let server: StandIn
  let visits: Visit[] = []
  beforeAll(async () => { browser = await launch() })
  afterAll(() => browser.close())
  beforeEach(async () => { server = await new StandIn().listen() })
  afterEach(async () => {
    await Promise.all(visits.map(({ page }) => page.context().close()))
    visits = []
    await server.close()
  })

  /** Opens the page and waits until it shows the history and listens. */
  async function open(given?: History, options?: BrowserContextOptions, prepare?: (page: Page) => Promise<void>): Promise<Visit> {
    if (given !== undefined) server.replies.set('GET history', { body: given })
    const opened = await visit(browser, options)
    visits.push(opened)
    await (prepare ?? ((page): Promise<void> => page.clock.setFixedTime(NOW + 1000)))(opened.page)
    await opened.page.goto(server.address)
    await server.streaming()
    await says(opened.page, '#process-facts', `pid ${String(PID)}`)
    await says(opened.page, '#connection', 'Live')
    return opened
  }

  /** Everything that can be opened, and filled. */
  async function openAll(page: Page): Promise<void> {
    await page.getByText('The figures as a table').click()
    await page.getByRole('button', { name: 'Refresh' }).click()
    await says(page, '#sites-rows', 'remember')
    await page.getByRole('button', { name: 'Check now' }).click()
    await says(page, '#settle-parts', 'Live heap')
  }

  it('paints without a complaint under its policy, and asks nobody else', async () => {
    const { page, complaints, requested } = await open()
    await says(page, '#figure-rss', 'MB')
    expect(complaints).toEqual([])
    expect(new Set(requested.map((address) => new URL(address).origin))).toEqual(new Set([new URL(server.address).origin]))
    expect(await page.title()).toBe('No leak in sight · Memory of process 4217')
    const policy = (await page.request.get(server.address)).headers()['content-security-policy']
    expect(policy).toMatch(/^default-src 'self';/)
    expect(policy).not.toContain('unsafe')
  })

  it.each([
    ['light', { colorScheme: 'light' }],
    ['dark', { colorScheme: 'dark' }],
    ['on a phone', { ...PHONE, colorScheme: 'light' }],
    ['on a phone, dark', { ...PHONE, colorScheme: 'dark' }],
  ] as const)('has nothing for axe-core to find, %s', async (_, options) => {
    const { page } = await open({ ...history({ verdict: verdictOf('leak-suspected') }), allowed: { gc: true, snapshot: true, profiles: true } }, options)
    await openAll(page)
    expect(await violations(page)).toEqual([])
  })

  it.each(STATES)('shows the verdict %s, in colours that can be read', async (state) => {
    const { page, complaints } = await open(history({ verdict: verdictOf(state) }), { reducedMotion: 'reduce' })
    expect(await textOf(page, '#verdict-sentence')).toBe(verdictOf(state).sentence)
    expect(await inPage(page, '#verdict-title', 'element.closest("[aria-live]").getAttribute("aria-live")')).toBe('polite')
    expect(await violations(page, '#verdict')).toEqual([])
    await page.emulateMedia({ colorScheme: 'dark' })
    expect(await violations(page, '#verdict')).toEqual([])
    expect(complaints).toEqual([])
  })

  it('says once, to those who listen too, that it is too early', async () => {
    const { page } = await open(history({ verdict: verdictOf('warming') }))
    const announced = page.locator('#verdict [aria-live=polite][aria-atomic=true]')
    expect((await announced.innerText()).split('\n').filter(Boolean)).toEqual(['Warming up', verdictOf('warming').sentence])
    expect((await page.locator('#verdict').innerText()).match(/too early/gi)).toHaveLength(1)
  })

  it('names the call sites that grew, the slope and the time to the limit', async () => {
    const { page } = await open(history({ verdict: verdictOf('leak-suspected') }))
    expect(await textOf(page, '#verdict-sites-list li:first-child')).toMatch(/remember\s+\/srv\/shop\/dist\/session-store\.js:88\s+\+17\.9 MB/)
    expect(await textOf(page, '#verdict-facts')).toMatch(/Slope\s+\+21\.6 MB\s+an hour, of the live heap\s+Time to the limit\s+31 hours\s+until the cgroup’s limit/)
  })

  it('draws the samples: the highest in the middle, the limit above, a stroke for each collection', async () => {
    const rows = [100, 200, 100].map((rss, index) => ({ ...sampleAfter((index - 2) * 5), rss: rss * MB }))
    const { page } = await open({
      ...history({ cgroup: 250 * MB }), fine: columnsOf(rows),
      gc: { time: [NOW - 9000, NOW - 1000], durationMs: [4, 5], forced: [false, true] },
    })
    const points = await pointsOf(page, '#chart .curve.rss')
    const heights = points.map(({ y }) => y)
    expect(heights).toEqual([heights[0], Math.min(...heights), heights[0]])
    expect(points[1]?.x).toBeCloseTo(points.reduce((sum, { x }) => sum + x, 0) / 3, 0)
    const [limit] = await pointsOf(page, '#chart .cgroup-limit')
    expect(limit?.y).toBeLessThan(Math.min(...heights))
    expect(await textOf(page, '#chart')).toContain('cgroup limit 250 MB')
    expect(await textOf(page, '#chart')).toContain('↑ heap limit 2.2 GB')
    expect(await page.locator('#chart .collection:not(.forced)').getAttribute('d')).toMatch(/^M[^M]+$/)
    expect(await page.locator('#chart .collection.forced').getAttribute('d')).toMatch(/^M[^M]+$/)
  })

  it('follows the stream of events', async () => {
    const { page, complaints } = await open()
    server.send('sample', sampleAfter(1, { rss: 987 * MB, inFlight: 17, spaces: [{ name: 'new_space', used: 123 * MB, size: 200 * MB, available: 0, physical: 0 }] }))
    await says(page, '#figure-rss', '987 MB')
    await says(page, '#note-load', '17 in flight')
    await says(page, '#spaces-rows', '123 MB')
    server.send('gc', { pid: PID, time: NOW + 1500, durationMs: 77, forced: true })
    server.send('sample', sampleAfter(2))
    await says(page, '#note-live-heap', 'forced GC 1 s before, 77 ms')
    server.send('verdict', { pid: PID, ...verdictOf('growing') })
    await says(page, '#verdict-title', 'Memory is growing')
    expect(await page.title()).toMatch(/^Memory is growing/)
    server.send('settle', { pid: PID, ...settleReport('load-drop') })
    await says(page, '#settle-collection', 'Load had dropped. The forced collection took 152 ms.')
    server.send('sample', 'no sample')
    server.send('verdict', null)
    server.send('sample', sampleAfter(3, { rss: 654 * MB }))
    await says(page, '#figure-rss', '654 MB')
    expect(complaints).toEqual([])
  })

  it('says that it reconnects, comes back by itself, and fetches what it has missed', async () => {
    const { page } = await open(undefined, undefined, (opened) => opened.clock.install({ time: NOW }))
    server.replies.set('GET events', { status: 503 })
    server.breakStreams()
    await says(page, '#connection', 'Reconnecting')
    server.replies.delete('GET events')
    server.replies.set('GET history', { body: history({ verdict: verdictOf('native-growth') }) })
    // The server refused, which browsers take for final: the page itself asks again after some seconds.
    while (await textOf(page, '#connection') !== 'Live') await page.clock.runFor(1000)
    await says(page, '#verdict-title', 'Growth outside the heap')
  })

  it('says when samples stop coming', async () => {
    const { page } = await open(undefined, undefined, (opened) => opened.clock.install({ time: NOW }))
    await page.clock.runFor(6000)
    await says(page, '#connection', 'Silent')
    server.send('sample', sampleAfter(9))
    await says(page, '#connection', 'Live')
  })

  it('reads any moment by keyboard, as a slider, and keeps quiet while it is at the newest', async () => {
    const given = history()
    const { page } = await open(given)
    const chart = page.getByRole('slider')
    const spoken = (): Promise<string | null> => chart.getAttribute('aria-valuetext')
    const megabytes = (index: number): string => `RSS ${((given.fine.rss.at(index) ?? 0) / MB).toFixed(0)} MB`
    await page.keyboard.press('Tab')
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Skip to the content')
    for (const stop of ['hour', 'chart']) {
      await page.keyboard.press('Tab')
      expect(await page.evaluate('document.activeElement.value || document.activeElement.id')).toBe(stop)
    }
    expect(await inPage(page, '#chart', 'getComputedStyle(element).outlineStyle')).toBe('solid')
    expect(await spoken()).toBe('Now, the newest sample')
    await page.keyboard.press('Home')
    expect(await spoken()).toContain(megabytes(0))
    expect(await chart.getAttribute('aria-valuenow')).toBe('0')
    await page.keyboard.press('ArrowRight')
    await page.keyboard.press('PageUp')
    expect(await spoken()).toContain(megabytes(61))
    expect(await spoken()).toMatch(/^14:04:22: .*live heap .* MB, external .* MB, \d+ requests a second$/)
    expect(await textOf(page, '#moment')).toBe('14:04:22')
    server.send('sample', sampleAfter(1, { rss: 987 * MB }))
    server.send('settle', { pid: PID, ...settleReport() })
    await says(page, '#settle-parts', 'Live heap')
    expect(await spoken()).toMatch(/^14:04:22/)
    await page.keyboard.press('Escape')
    expect(await spoken()).toBe('Now, the newest sample')
    await says(page, '#figure-rss', '987 MB')
    await page.keyboard.press('ArrowLeft')
    await page.getByRole('button', { name: 'Back to now' }).press('Enter')
    expect(await spoken()).toBe('Now, the newest sample')
    expect(await page.evaluate('document.activeElement.id')).toBe('chart')
  })

  it('reads the moment under the pointer, and the newest again when it leaves', async () => {
    const { page } = await open()
    const newest = await textOf(page, '#moment')
    expect(newest).toMatch(/^Now, 15:03:20/)
    await page.getByRole('slider').hover({ position: { x: 500, y: 80 } })
    expect(await textOf(page, '#moment')).toMatch(/^14:\d\d:\d\d$/)
    await page.getByRole('heading', { name: 'Memory', exact: true }).hover()
    expect(await textOf(page, '#moment')).toBe(newest)
  })

  it('shows the day where one switches, by keyboard too', async () => {
    const given = history()
    const time = Array.from({ length: 256 }, (_, index) => NOW - (256 - index) * 60_000)
    const { page } = await open({ ...given, gc: { time, durationMs: time.map(() => 5), forced: time.map(() => false) } })
    expect(await textOf(page, '#chart')).toContain('14:30')
    await page.getByRole('radio', { name: 'Hour' }).press('ArrowRight')
    await page.locator('#chart', { hasText: 'Wed 25' }).waitFor()
    expect(await textOf(page, '#chart')).toContain('older ones are not kept')
  })

  it('has the same figures as a table', async () => {
    const { page } = await open()
    await page.getByText('The figures as a table').press('Enter')
    await says(page, '#figures-rows', '14:30')
    expect(await page.locator('#figures-rows tr').count()).toBe(61)
    expect(await textOf(page, '#figures-head')).toMatch(/Time\s+RSS\s+Live heap\s+External\s+Cgroup\s+Requests a second/)
    await page.getByRole('radio', { name: 'Day' }).check()
    await says(page, '#figures-caption', 'half hour')
    expect(await page.locator('#figures-rows tr').count()).toBe(49)
  })

  it('sets a mark and lists what has grown since', async () => {
    const { page } = await open()
    expect(await textOf(page, '#sites-cost')).toContain('force a full garbage collection')
    server.replies.set('GET callsites', { body: { ...CALL_SITES, mark: null } })
    await page.getByRole('button', { name: 'Refresh' }).click()
    await says(page, '#sites-message', '6 call sites, largest first. No mark is set.')
    expect(await textOf(page, '#sites-rows tr:first-child code')).toBe('compile')
    await page.getByRole('button', { name: 'Set mark' }).click()
    await says(page, '#sites-message', 'The mark is set.')
    expect(server.requests.slice(-1)).toEqual(['POST mark'])
    server.replies.set('GET callsites', { body: CALL_SITES })
    await page.getByRole('button', { name: 'Refresh' }).click()
    await says(page, '#sites-message', 'most grown first since the mark of 14:54.')
    expect(await textOf(page, '#sites-rows tr:first-child')).toMatch(/remember\s+\/srv\/shop\/dist\/session-store\.js:88\s+8\.1 MB\s+\+5\.3 MB/)
  })

  it('runs the settle check and reports in words', async () => {
    const { page } = await open()
    expect(await textOf(page, '#settle-message')).toBe('No check has been made yet.')
    await page.getByRole('button', { name: 'Check now' }).click()
    await says(page, '#settle-message', 'Memory has fallen.')
    expect(await textOf(page, '#settle-collection')).toBe('The forced collection took 152 ms.')
    expect(await page.locator('#settle-parts h4').allInnerTexts()).toEqual(['Allocator and native code', 'Mapped files', 'Live heap', 'Free pages of V8', 'External'])
    expect(server.requests.slice(-1)).toEqual(['POST settle'])
  })

  it('asks once where a button is pressed twice', async () => {
    const { page } = await open()
    await inPage(page, '#settle-run', '{ element.click(); element.click() }')
    await says(page, '#settle-message', 'Memory has fallen.')
    expect(server.requests.filter((request) => request === 'POST settle')).toHaveLength(1)
    expect(await page.locator('#settle-run').getAttribute('aria-disabled')).toBeNull()
  })

  it.each([
    ['GET callsites', 'Refresh', '#sites-message'],
    ['POST mark', 'Set mark', '#sites-message'],
    ['POST settle', 'Check now', '#settle-message'],
  ])('says in words why %s was refused, and for how long', async (request, button, line) => {
    const { page } = await open()
    server.replies.set(request, { status: 429, body: { detail: 'A heap profile is being taken' }, headers: { 'Retry-After': '7' } })
    await page.getByRole('button', { name: button }).click()
    await says(page, line, 'Not now: A heap profile is being taken. Try again in 7 seconds.')
    expect(await page.locator(line).getAttribute('role')).toBe('status')
    server.replies.set(request, { status: 403, body: { detail: 'No entry.' } })
    await page.getByRole('button', { name: button }).click()
    await says(page, line, 'The app does not allow this. No entry.')
    server.replies.delete(request)
    await page.getByRole('button', { name: button }).click()
    await says(page, line, 'The app does not offer this.')
  })

  it('says so where an answer is none, or cannot be read', async () => {
    const { page } = await open()
    server.replies.set('GET callsites', { body: { sites: 'many' } })
    await page.getByRole('button', { name: 'Refresh' }).click()
    await says(page, '#sites-message', 'Load the page again.')
    await server.close()
    await page.getByRole('button', { name: 'Refresh' }).click()
    await says(page, '#sites-message', 'The app did not answer')
    await says(page, '#connection', 'Reconnecting')
    await server.listen(Number(new URL(server.address).port))
  })

  it.each([
    ['was refused', { status: 403, body: { detail: 'Give a token.' } }, 'The app does not allow this. Give a token.'],
    ['has another shape', { body: { fine: [] } }, 'Load the page again.'],
  ])('says so where the history %s, and shows it when it comes', async (_, reply, words) => {
    server.replies.set('GET history', reply)
    const { page } = await visit(browser).then((opened) => (visits.push(opened), opened))
    await page.goto(server.address)
    await says(page, '#trouble', words)
    server.replies.set('GET history', { body: history() })
    await server.streaming()
    server.send('sample', sampleAfter(1))
    await says(page, '#process-facts', 'pid 4217')
    await page.locator('#trouble').waitFor({ state: 'hidden' })
  })

  it.each([
    ['an empty history', emptyHistory()],
    ['one sample', oneSample()],
    ['unknown values, gaps and a value beyond all others', nulls()],
    ['a process that is a minute old', history({ held: 60_000 })],
    ['a state of some later version', { ...history(), verdict: { ...verdictOf('ok'), state: 'constructor' } } as unknown as History],
  ])('does not mind %s', async (_, given) => {
    const { page, complaints } = await open(given)
    await page.getByText('The figures as a table').click()
    await page.getByRole('radio', { name: 'Day' }).check()
    await page.getByRole('slider').press('Home')
    await page.getByRole('slider').press('ArrowLeft')
    await page.getByRole('slider').press('End')
    server.send('sample', sampleAfter(1, { rss: 987 * MB }))
    await says(page, '#figure-rss', /987 MB|9000 TB/)
    expect(await inPage(page, '#chart', '/NaN|Infinity/.test(element.innerHTML)')).toBe(false)
    expect(complaints).toEqual([])
  })

  it('says that there are no samples yet', async () => {
    const { page } = await open(emptyHistory())
    expect(await textOf(page, '#chart-empty')).toContain('No samples yet')
    server.send('sample', sampleAfter(1))
    await page.locator('#chart-empty').waitFor({ state: 'hidden' })
  })

  it('shows markup in names as text', async () => {
    server.replies.set('GET callsites', { body: { mark: NOW, sites: [{ name: MARKUP, url: MARKUP, line: 3, octets: MB, growth: MB }] } })
    server.replies.set('POST settle', { status: 500, body: { detail: MARKUP } })
    const { page, complaints } = await open(withMarkup())
    await page.getByRole('button', { name: 'Refresh' }).click()
    await says(page, '#sites-rows', MARKUP)
    server.send('sample', sampleAfter(1, { spaces: [{ name: MARKUP, used: 1, size: 1, available: 1, physical: 1 }] }))
    await says(page, '#spaces-rows', MARKUP)
    expect(await textOf(page, '#settle-message')).toBe(MARKUP)
    await page.getByRole('button', { name: 'Check now' }).click()
    await says(page, '#settle-message', 'status 500')
    for (const place of ['#process-name', '#process-facts', '#verdict-sentence', '#verdict-sites-list', '#settle-message', '#settle-parts']) {
      expect(await textOf(page, place)).toContain(MARKUP)
    }
    expect(await page.locator('img, main script, [href^="javascript:"]').count()).toBe(0)
    expect(await page.evaluate('window.injected')).toBeUndefined()
    expect(complaints.filter((complaint) => !complaint.includes('500'))).toEqual([])
  })

  it.each([360, 320])('needs no scrolling sideways at %d pixels', async (width) => {
    const name = 'a'.repeat(300)
    server.replies.set('GET callsites', { body: { mark: NOW, sites: [{ name: `remember${name}`, url: name, line: 3, octets: 123 * MB, growth: 123 * MB }] } })
    const given = history({ verdict: verdictOf('leak-suspected') })
    const { page } = await open({
      ...given, process: { ...given.process, argv: name, worker: name }, allowed: { gc: true, snapshot: true, profiles: true },
      processes: [{ ...given.process, worker: name, pid: 2 }],
    }, { viewport: { width, height: 640 } })
    await openAll(page)
    await page.getByRole('slider').press('Home')
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width)
    const [edge, texts] = await Promise.all([inPage(page, '#chart', 'element.getBoundingClientRect().right'), inPage(page, '#chart', 'Math.max(...[...element.querySelectorAll("text")].map((text) => text.getBoundingClientRect().right))')])
    expect(texts).toBeLessThanOrEqual(Number(edge))
    expect(await inPage(page, '.scroller', 'element.scrollWidth - element.clientWidth')).toBeLessThanOrEqual(width === 360 ? 0 : 40)
  })

  it('has a chooser where there are several processes, and asks for the one that is chosen', async () => {
    const processes = [{ ...history().process, worker: 'worker 1' }, { ...history().process, pid: 77, worker: 'worker 2' }]
    server.replies.set('GET history', (query) => {
      const given = history(query.get('pid') === '77' ? { pid: 77, verdict: verdictOf('growing') } : {})
      return { body: { ...given, processes } }
    })
    const { page } = await open()
    server.send('sample', { ...sampleAfter(1, { rss: 987 * MB }), pid: 77 })
    await page.getByRole('combobox', { name: 'Process' }).selectOption({ label: 'worker 2 (pid 77)' })
    await says(page, '#process-facts', 'pid 77')
    expect(server.requests).toContain('GET history?pid=77')
    await says(page, '#verdict-title', 'Memory is growing')
    expect(await page.getByRole('link', { name: 'heap?debug=1' }).getAttribute('href')).toMatch(/heap\?debug=1&pid=77$/)
    await page.getByRole('button', { name: 'Set mark' }).click()
    await says(page, '#sites-message', 'The mark is set.')
    expect(server.requests.slice(-1)).toEqual(['POST mark?pid=77'])
    server.send('sample', sampleAfter(2, { rss: 111 * MB }))
    server.send('sample', { ...sampleAfter(2, { rss: 222 * MB }), pid: 77 })
    await says(page, '#figure-rss', '222 MB')
  })

  it('has no chooser where there is one process, and says so where another one streams', async () => {
    const { page } = await open()
    expect(await page.getByRole('combobox', { name: 'Process', includeHidden: true }).isVisible()).toBe(false)
    expect(await page.getByRole('link', { name: 'memstats' }).getAttribute('href')).toMatch(/\/debug\/pprof\/memstats$/)
    const before = await textOf(page, '#figure-rss')
    server.send('sample', { ...sampleAfter(1, { rss: 987 * MB }), pid: 77 })
    await says(page, '#trouble', 'the live figures come from process 77')
    expect(await textOf(page, '#figure-rss')).toBe(before)
  })

  it('has no profiles where they are switched off, and collections and snapshots where they are allowed', async () => {
    const { page } = await open({ ...history(), allowed: { gc: true, snapshot: true, profiles: false } })
    expect(await page.getByRole('heading', { name: 'Top call sites' }).isVisible()).toBe(false)
    expect(await page.getByRole('link', { name: 'heap', exact: true }).isVisible()).toBe(false)
    expect(await textOf(page, '#profiles-off')).toContain('switched off')
    await page.getByRole('button', { name: 'Collect now' }).click()
    await says(page, '#tools-message', 'A full collection was forced.')
    server.replies.set('POST snapshot', { body: '{"snapshot":{}}', headers: { 'Content-Disposition': 'attachment; filename="shop.heapsnapshot"' } })
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Take a snapshot' }).click()])
    expect(download.suggestedFilename()).toBe('shop.heapsnapshot')
    server.replies.set('POST snapshot', { status: 507, body: { detail: 'Not enough free memory.' } })
    await page.getByRole('button', { name: 'Take a snapshot' }).click()
    await says(page, '#tools-message', 'Not enough free memory.')
  })

  it('gives commands for go tool pprof, to copy', async () => {
    const { page } = await open(undefined, { permissions: ['clipboard-read', 'clipboard-write'] })
    await page.getByRole('button', { name: 'Copy the command for the heap profile', exact: true }).click()
    await says(page, '#copy-message', 'Copied.')
    expect(await page.evaluate('navigator.clipboard.readText()')).toBe(`go tool pprof ${server.address}heap`)
    expect(await textOf(page, '#command-profile')).toBe(`go tool pprof '${server.address}profile?seconds=10'`)
    await page.evaluate('Object.defineProperty(navigator, "clipboard", { value: undefined })')
    await page.getByRole('button', { name: 'Copy the command for the profile of the processor' }).click()
    await says(page, '#copy-message', 'Selected')
    expect(await page.evaluate('getSelection().toString()')).toContain('profile?seconds=10')
  })

  it('moves nothing for those who would rather not have it', async () => {
    const { page } = await open(undefined, { reducedMotion: 'reduce' })
    expect(await page.evaluate('document.getAnimations().length')).toBe(0)
    expect(await inPage(page, 'button', 'getComputedStyle(element).transitionDuration')).toBe('0s')
  })

  it('points to the figures where there is no JavaScript', async () => {
    const { page } = await visit(browser, { javaScriptEnabled: false }).then((opened) => (visits.push(opened), opened))
    await page.goto(server.address)
    expect(await page.locator('noscript').innerText()).toContain('This page needs JavaScript.')
    expect(await page.locator('noscript a').first().getAttribute('href')).toBe('memstats')
  })
})
