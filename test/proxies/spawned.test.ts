/** The app as a program that somebody else starts and stops: it listens on descriptor 0 and leaves when told. */
import { afterEach, expect, it } from '@jest/globals'
import { Exchange, ask } from './support/client.js'
import { describeIfInstalled } from './support/installed.js'
import { servers } from './support/servers.js'
import { startSite } from './support/site.js'
import { newId } from './support/suite.js'

const cleanups: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

describeIfInstalled(servers.modFcgid, 'a program of mod_fcgid', () => {
  it('leaves at Apache’s graceful restart, and a new one takes its place', async () => {
    const site = await startSite(servers.modFcgid)
    cleanups.push(() => site.stop())
    expect((await ask(site.origin, '/status/200')).status).toBe(200)
    const first = await site.events.wait('program', 'started')
    site.web.signal('SIGUSR1')
    await site.events.programsLeft(0)
    expect((await ask(site.origin, '/status/200')).status).toBe(200)
    expect(site.events.programs).toBeGreaterThan(0)
    expect(isRunning(first.detail?.['pid'])).toBe(false)
  })
})

for (const server of [servers.modFcgid, servers.lighttpdSpawn]) {
  describeIfInstalled(server, `a program started by ${server.name}`, () => {
    it('ends with the web server', async () => {
      const site = await startSite(server)
      cleanups.push(() => site.stop())
      await ask(site.origin, '/status/200')
      await site.events.wait('program', 'started')
      await site.web.stop()
      await site.events.programsLeft(0)
    })
  })
}

describeIfInstalled(servers.spawnFcgi, 'a program of spawn-fcgi', () => {
  it('answers what it was asked before it leaves', async () => {
    const site = await startSite(servers.spawnFcgi)
    cleanups.push(() => site.stop())
    const id = newId()
    const exchange = new Exchange(site.origin, { path: `/wait?id=${id}` })
    await site.events.wait(id, 'called')
    const program = await site.events.wait('program', 'started')
    process.kill(Number(program.detail?.['pid']), 'SIGTERM')
    site.events.release(id)
    expect((await exchange.answer).body.toString()).toBe('released\n')
    await site.events.programsLeft(0)
  })
})

function isRunning(pid: unknown): boolean {
  try {
    return process.kill(Number(pid), 0)
  } catch {
    return false
  }
}
