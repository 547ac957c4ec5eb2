/** What only some web servers do, each with the configuration that its example shows. */
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { createServer } from 'express-responder'
import { createApp } from './support/app.js'
import { runToEnd } from './support/child.js'
import { Exchange, ask, begin } from './support/client.js'
import { EventHub } from './support/events.js'
import { describeIfInstalled } from './support/installed.js'
import { echoOf } from './support/json.js'
import { findProgram } from './support/programs.js'
import { authorizers } from './support/servers.js'
import { apache } from './support/servers/apache.js'
import { haproxy } from './support/servers/haproxy.js'
import { startSite } from './support/site.js'
import type { Site } from './support/site.js'
import { withLocations } from './support/variations.js'
import { describeSite, forEachServer, newId } from './support/suite.js'
import { createWorkspace } from './support/workspace.js'
import { AUTHORIZATION, USER, authorization } from './support/user.js'

const WRONG_PASSWORD = authorization(USER.name, 'wrong')

describeSite(withLocations, 'an upload through nginx, with nginx/locations.conf', (site) => {
  it('reaches the app while it arrives', async () => {
    const id = newId()
    const exchange = begin(site().origin, { method: 'POST', path: `/uploads/arrival?id=${id}`, chunked: true })
    exchange.request.write('first')
    expect((await site().events.wait(id, 'body')).detail).toEqual({ first: 'first' })
    exchange.request.end(' last')
    expect((await exchange.answer).body.toString()).toBe('first last')
  })
})

describeSite(withLocations, 'X-Accel-Redirect through nginx, with nginx/locations.conf', (site) => {
  it('sends the file that the app releases', async () => {
    await writeFile(join(site().workspace.srv, 'protected/report.txt'), 'the report\n')
    const answer = await ask(site().origin, '/send-file?path=/protected/report.txt')
    expect(answer).toMatchObject({ status: 200, complete: true })
    expect(answer.body.toString()).toBe('the report\n')
    expect(answer.headers['content-length']).toBe('11')
    expect(answer.headers['x-accel-redirect']).toBeUndefined()
  })

  it('sends parts of it to who asks for them', async () => {
    await writeFile(join(site().workspace.srv, 'protected/report.txt'), 'the report\n')
    const answer = await ask(site().origin, {
      path: '/send-file?path=/protected/report.txt',
      headers: [['Range', 'bytes=4-9']],
    })
    expect({ status: answer.status, body: answer.body.toString() }).toEqual({ status: 206, body: 'report' })
  })

  it('gives nobody the file who asks for it directly', async () => {
    await writeFile(join(site().workspace.srv, 'protected/report.txt'), 'the report\n')
    expect((await ask(site().origin, '/protected/report.txt')).status).toBe(404)
  })
})

forEachServer(
  'fastcgi_cache of',
  ({ site }) => {
    it('answers from the cache what the app lets be cached', async () => {
      const id = newId()
      const first = await ask(site().origin, `/cacheable?id=${id}`)
      const second = await ask(site().origin, `/cacheable?id=${id}`)
      expect([first.headers['x-cache-status'], second.headers['x-cache-status']]).toEqual(['MISS', 'HIT'])
      expect(second.body.toString()).toBe('cacheable\n')
      expect(site().events.count(id, 'called')).toBe(1)
    })

    it('answers HEAD from the entry of GET, without a body', async () => {
      const id = newId()
      await ask(site().origin, `/cacheable?id=${id}`)
      const head = await ask(site().origin, { method: 'HEAD', path: `/cacheable?id=${id}` })
      expect(head.headers['x-cache-status']).toBe('HIT')
      expect(head.body.length).toBe(0)
      expect(site().events.count(id, 'called')).toBe(1)
    })

    it('asks the app again for who is logged in', async () => {
      const id = newId()
      await ask(site().origin, `/cacheable?id=${id}`)
      const answer = await ask(site().origin, { path: `/cacheable?id=${id}`, headers: [['Authorization', AUTHORIZATION]] })
      expect(answer.headers['x-cache-status']).toBe('BYPASS')
      expect(site().events.count(id, 'called')).toBe(2)
    })

    it.each(['connect.sid', 'session'])('asks the app again for who has a session: the cookie %s', async (cookie) => {
      const id = newId()
      await ask(site().origin, `/cacheable?id=${id}`)
      const answer = await ask(site().origin, { path: `/cacheable?id=${id}`, headers: [['Cookie', `a=1; ${cookie}=abc`]] })
      expect(answer.headers['x-cache-status']).toBe('BYPASS')
      expect(site().events.count(id, 'called')).toBe(2)
    })

    it('lets nobody wait for another where nothing may be cached', async () => {
      const id = newId()
      const exchanges = Array.from({ length: 2 }, () => new Exchange(site().origin, { path: `/sse?id=${id}` }))
      await Promise.all(exchanges.map((exchange) => exchange.received('data: one')))
      for (const exchange of exchanges) exchange.abort()
    })

    it('stores nothing that the app does not allow', async () => {
      await ask(site().origin, '/cookies')
      const again = await ask(site().origin, '/cookies')
      expect(again.headers['x-cache-status']).toBe('MISS')
    })

    it('stores no response that broke off', async () => {
      const id = newId()
      const first = new Exchange(site().origin, { path: `/truncate-cacheable?id=${id}` })
      await site().events.wait(id, 'called')
      site().events.release(id)
      await first.answer
      const second = await ask(site().origin, `/truncate-cacheable?id=${id}`)
      expect(second.headers['x-cache-status']).not.toBe('HIT')
    })
  },
  { only: ['nginxCache'] },
)

forEachServer(
  'the url as rewritten by',
  ({ site }) => {
    it('is encoded again where only its decoded parts are there', async () => {
      const answer = await ask(site().origin, '/echo/a%20b/%E2%9C%93?q=%20')
      expect(echoOf(answer).url).toBe('/echo/a%20b/%E2%9C%93?q=%20')
    })
  },
  { only: ['nginx', 'apache', 'lighttpd', 'caddy', 'haproxy'], app: { url: 'rewritten' } },
)

const WITHOUT_ITS_LINE = [
  apache({
    name: 'Apache without CGIPassAuth',
    example: 'apache/app.conf',
    modules: ['proxy', 'proxy_fcgi'],
    edit: (text) => text.replace(/^ *CGIPassAuth On$/m, ''),
  }),
  haproxy('HAProxy without pass-header', 'haproxy/haproxy.cfg', {
    edit: (text) => text.replace(/^ *pass-header Authorization$/m, ''),
  }),
]

for (const server of WITHOUT_ITS_LINE) {
  describeIfInstalled(server, server.name, () => {
    it('Authorization: is lost, which is why the example has that line', async () => {
      const site = await startSite(server)
      try {
        const answer = await ask(site.origin, { path: '/echo', headers: [['Authorization', AUTHORIZATION]] })
        expect(echoOf(answer).headers['authorization']).toBeUndefined()
      } finally {
        await site.stop()
      }
    })
  })
}

for (const server of Object.values(authorizers)) {
  describeIfInstalled(server, `the app as authorizer of ${server.name} (examples/${server.example})`, () => {
    let site: Site
    beforeAll(async () => {
      site = await startSite(server)
      await writeFile(join(site.workspace.srv, 'public/private/file.txt'), 'the file\n')
    })
    afterAll(() => site.stop())

    it('lets on whom the app lets on', async () => {
      const answer = await ask(site.origin, { path: '/private/file.txt', headers: [['Authorization', AUTHORIZATION]] })
      expect(answer).toMatchObject({ status: 200, complete: true })
      expect(answer.body.toString()).toBe('the file\n')
    })

    it('refuses whom it does not, and asks for the password', async () => {
      for (const headers of [[], [['Authorization', WRONG_PASSWORD]]] as const) {
        const answer = await ask(site.origin, { path: '/private/file.txt', headers })
        expect(answer.status).toBe(401)
        expect(answer.headers['www-authenticate']).toBe('Basic realm="app"')
        expect(answer.body.toString()).not.toContain('the file')
      }
    })

    it('keeps the app’s variables to itself', async () => {
      const answer = await ask(site.origin, { path: '/private/file.txt', headers: [['Authorization', AUTHORIZATION]] })
      expect(answer.rawHeaders.join().toLowerCase()).not.toContain('variable-')
    })
  })
}

const CGI_FCGI = findProgram('cgi-fcgi')

describeIfInstalled({ package: 'libfcgi-bin', installed: CGI_FCGI !== undefined }, 'cgi-fcgi from a shell (examples/cgi-fcgi/request.sh)', () => {
  it('shows what an app answers, with no web server between', async () => {
    const workspace = await createWorkspace()
    const app = createServer(createApp(new EventHub()))
    try {
      app.listen(workspace.socket)
      await once(app, 'listening')
      const script = await workspace.install('cgi-fcgi/request.sh', 0)
      const { code, stdout } = await runToEnd(script, ['/echo/a%20b?q=1&r'])
      expect(code).toBe(0)
      const [head = '', body = ''] = stdout.toString().split('\r\n\r\n')
      expect(head).toMatch(/^Status: 200 OK\r\n/)
      expect(JSON.parse(body)).toMatchObject({ method: 'GET', url: '/echo/a%20b?q=1&r', query: { q: '1', r: '' } })
    } finally {
      app.close()
      await workspace.remove()
    }
  })
})
