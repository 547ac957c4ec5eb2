/** What clients see while the app restarts, with what the examples say of it. */
import { once } from 'node:events'
import { chmod } from 'node:fs/promises'
import { expect, it } from '@jest/globals'
import { createServer } from 'express-responder'
import { createApp } from './support/app.js'
import { Exchange, ask } from './support/client.js'
import { describeSite, newId } from './support/suite.js'
import { servers } from './support/servers.js'
import { haproxy } from './support/servers/haproxy.js'
import { nginx } from './support/servers/nginx.js'
import type { Site } from './support/site.js'

/** Ends the app's server, connections and all. */
async function stopApp(site: Site): Promise<void> {
  const closed = once(site.app as NonNullable<Site['app']>, 'close')
  site.app?.close()
  site.app?.closeAllConnections()
  await closed
}

/** Starts another where the first one was, for the time that `during` takes. */
async function withNewApp(site: Site, on: 'socket' | 'port', during: () => Promise<void>): Promise<void> {
  const app = createServer(createApp(site.events))
  if (on === 'port') app.listen(site.workspace.appPort, '127.0.0.1')
  else app.listen(site.workspace.socket)
  await once(app, 'listening')
  if (on === 'socket') await chmod(site.workspace.socket, 0o666)
  try {
    await during()
  } finally {
    app.closeAllConnections()
    app.close()
  }
}

const TWICE = /^ *server unix:.*;$/m

describeSite(nginx('nginx', 'nginx/app.conf', { edit: (text) => text.replace(TWICE, '$&\n$&') }), 'two server lines of nginx for one socket', (site) => {
  it('answer as soon as the app is back, owing to max_fails=0', async () => {
    await stopApp(site())
    for (let count = 0; count < 4; count++) expect((await ask(site().origin, '/echo')).status).toBe(502)
    await withNewApp(site(), 'socket', async () => {
      expect((await ask(site().origin, '/echo')).status).toBe(200)
    })
  })
})

const WITHOUT_MAX_FAILS = nginx('nginx', 'nginx/app.conf', { edit: (text) => text.replace(' max_fails=0;', ';').replace(TWICE, '$&\n$&') })

describeSite(WITHOUT_MAX_FAILS, 'two server lines of nginx without max_fails=0', (site) => {
  it('stay out of service when the app is back, which is why the example has it', async () => {
    await stopApp(site())
    for (let count = 0; count < 4; count++) await ask(site().origin, '/echo')
    await withNewApp(site(), 'socket', async () => {
      expect((await ask(site().origin, '/echo')).status).toBe(502)
    })
  })
})

describeSite(servers.caddy, 'lb_try_duration of Caddy', (site) => {
  it('loses no GET while the app restarts, and refuses a POST', async () => {
    await stopApp(site())
    const get = ask(site().origin, '/echo')
    const post = await ask(site().origin, { method: 'POST', path: '/echo', body: 'a' })
    expect(post.status).toBe(502)
    await withNewApp(site(), 'socket', async () => {
      expect((await get).status).toBe(200)
    })
  })
})

describeSite(servers.caddy, 'lb_try_duration of Caddy, and a GET whose connection breaks', (site) => {
  it('runs it again, in the next process', async () => {
    const id = newId()
    const exchange = new Exchange(site().origin, { path: `/wait?id=${id}` })
    await site().events.wait(id, 'called')
    await stopApp(site())
    await withNewApp(site(), 'socket', async () => {
      site().events.release(id)
      expect((await exchange.answer).body.toString()).toBe('released\n')
    })
    expect(site().events.count(id, 'called')).toBe(2)
  })
})

describeSite(servers.haproxy, 'HAProxy on a Unix socket', (site) => {
  it('answers 503 while the app restarts, and trusts it again at once', async () => {
    await stopApp(site())
    expect((await ask(site().origin, '/echo')).status).toBe(503)
    await withNewApp(site(), 'socket', async () => {
      expect((await ask(site().origin, '/echo')).status).toBe(200)
    })
  })
})

const ON_TCP = haproxy('HAProxy', 'haproxy/haproxy.cfg', {
  edit: (text) => text.replace(/^ *server app unix@.*$/m, '').replace('#server app 127.0.0.1', 'server app 127.0.0.1'),
  appOn: 'port',
})

describeSite(ON_TCP, 'HAProxy on TCP', (site) => {
  it('loses neither GET nor POST in a restart that is short', async () => {
    await stopApp(site())
    const get = ask(site().origin, '/echo')
    const post = ask(site().origin, { method: 'POST', path: '/echo', body: 'a' })
    await withNewApp(site(), 'port', async () => {
      expect([(await get).status, (await post).status]).toEqual([200, 200])
    })
  })
})
