/** The page as people meet it: in a real browser, in front of the endpoint itself, in an app that has something to do. */
import { expect, it } from '@jest/globals'
import { describeIfInstalled } from '../../../proxies/support/installed.js'
import { CHROMIUM, says, textOf } from './chromium.js'
import { pageApp } from './page-app.js'

describeIfInstalled(CHROMIUM, 'the memory page in front of its endpoint', () => {
  const { start, open, breakConnections } = pageApp()

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
    await says(page, '#sites-rows tr:first-child', /page-app\.[jt]s.*\+\d[\d.]* MB/s)
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

  it('reconnects by itself when the app is there again', async () => {
    const origin = await start()
    const { page } = await open(origin)
    breakConnections()
    await says(page, '#connection', 'Reconnecting')
    await says(page, '#connection', 'Live')
  })
})
