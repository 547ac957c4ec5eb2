/** The page in a real browser, for those who need a screen reader or contrast, and behind a web server that holds its stream back. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from '@jest/globals'
import { describeIfInstalled } from '../../../proxies/support/installed.js'
import { freePort } from '../../../proxies/support/ports.js'
import { findProgram } from '../../../proxies/support/programs.js'
import { CHROMIUM, says, textOf, violations } from './chromium.js'
import { pageApp } from './page-app.js'

const nginx = findProgram('nginx')

describeIfInstalled(CHROMIUM, 'the memory page in front of its endpoint', () => {
  const { start, open, rememberMuch, closeVisits } = pageApp()

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

  it.each([
    ['light', { colorScheme: 'light' }],
    ['on a phone, dark', { viewport: { width: 360, height: 740 }, colorScheme: 'dark' }],
  ] as const)('has nothing for axe-core to find, %s', async (_, options) => {
    const { page } = await open(await start({ gc: true, snapshot: true, scrapeInterval: 0 }), options)
    rememberMuch()
    await page.getByText('The figures as a table').click()
    await page.getByRole('button', { name: 'Refresh' }).click()
    await says(page, '#sites-rows', 'page-app')
    await page.getByRole('button', { name: 'Check now' }).click()
    await says(page, '#settle-message', /^The collection freed/)
    expect(await violations(page)).toEqual([])
    expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true)
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
      await closeVisits()
      await proxy.stop()
    }
  })
})
