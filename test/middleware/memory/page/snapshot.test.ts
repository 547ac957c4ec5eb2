/** The button for heap snapshots, in a real browser, in front of an endpoint in another process: that one stands still meanwhile. */
import { readFile } from 'node:fs/promises'
import { afterAll, afterEach, beforeAll, expect, it, jest } from '@jest/globals'
import type { Browser } from 'playwright-core'
import type { MemoryStatsOptions } from '../../../../middleware/memory.js'
import { describeIfInstalled } from '../../../proxies/support/installed.js'
import { AppProcess } from '../app-process.js'
import { CHROMIUM, launch, says, textOf, visit, type Visit } from './chromium.js'

// A browser starts slowly on a machine that does something else beside.
jest.setTimeout(120_000)

const ENTRIES = 1000

/** What V8's format has at the least, and the browser's developer tools read. */
interface HeapSnapshot {
  snapshot: { meta: { node_fields: string[]; edge_fields: string[] }; node_count: number; edge_count: number }
  nodes: number[]
  edges: number[]
  strings: string[]
}

describeIfInstalled(CHROMIUM, 'the button for heap snapshots', () => {
  let browser: Browser
  let app: AppProcess
  let opened: Visit

  beforeAll(async () => { browser = await launch() })
  afterAll(() => browser.close())
  afterEach(async () => {
    await opened.page.context().close()
    await app.stop()
  })

  async function open(options: MemoryStatsOptions): Promise<Visit> {
    app = await AppProcess.start(options)
    opened = await visit(browser)
    await opened.page.goto(`${app.origin}/debug/pprof/`)
    await says(opened.page, '#process-facts', `pid ${String(app.pid)}`)
    await says(opened.page, '#connection', 'Live')
    return opened
  }

  it('saves one that is whole and of that app, and the page goes on', async () => {
    const { page, complaints } = await open({ snapshot: true })
    await app.get(`/catalogue?entries=${String(ENTRIES)}`)
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Take a snapshot' }).click()])
    expect(download.suggestedFilename()).toMatch(new RegExp(`^${String(app.pid)}-\\d+\\.heapsnapshot$`))
    const { snapshot, nodes, edges, strings } = JSON.parse(await readFile(await download.path(), 'utf8')) as HeapSnapshot
    expect(snapshot.node_count).toBeGreaterThan(ENTRIES)
    // Lengths and not the lists, which would fill the report of a failure.
    expect(nodes.length).toBe(snapshot.node_count * snapshot.meta.node_fields.length)
    expect(edges.length).toBe(snapshot.edge_count * snapshot.meta.edge_fields.length)
    expect(strings.includes('CatalogueEntry')).toBe(true)
    expect(await textOf(page, '#tools-message')).toMatch(new RegExp(`^Saved as ${download.suggestedFilename().replaceAll('.', '\\.')}, [\\d.]+ MB\\.$`))
    // The app has collected of its own accord too: the stroke of the one that was forced stays.
    await page.locator('#chart .collection.forced[d^="M"]').waitFor({ state: 'attached' })
    await says(page, '#connection', 'Live')
    expect(await page.locator('#snapshot-off').isVisible()).toBe(false)
    expect(complaints).toEqual([])
  })

  it('is not there unless the app allows snapshots, and the page says how it would', async () => {
    const { page } = await open({ gc: true })
    await page.getByRole('button', { name: 'Collect now' }).waitFor()
    expect(await page.getByRole('button', { name: 'Take a snapshot' }).count()).toBe(0)
    expect(await page.getByRole('heading', { name: 'Heap snapshot' }).count()).toBe(0)
    expect(await textOf(page, '#snapshot-off')).toBe('Heap snapshots are off: memoryStats({ snapshot: true }) turns them on.')
  })
})
