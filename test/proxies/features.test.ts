/** What only some web servers do, each with the configuration that its example shows. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from '@jest/globals'
import { Exchange, ask } from './support/client.js'
import { echoOf } from './support/json.js'
import type { ServerKey } from './support/servers.js'
import { forEachServer, newId } from './support/suite.js'
import { USER } from './support/workspace.js'

const PASSWORD = `Basic ${Buffer.from(`${USER.name}:${USER.password}`).toString('base64')}`
const WRONG_PASSWORD = `Basic ${Buffer.from(`${USER.name}:wrong`).toString('base64')}`

/** Those whose example has a password before /admin/. */
const WITH_PASSWORD: readonly ServerKey[] = ['nginx', 'apache', 'modFcgid', 'cgiFcgi', 'lighttpd', 'caddy', 'haproxy']

forEachServer(
  'a password asked by',
  ({ site }) => {
    it('keeps strangers out, before the app hears of them', async () => {
      const answer = await ask(site().origin, '/admin/echo')
      expect(answer.status).toBe(401)
      expect(answer.headers['www-authenticate']).toMatch(/^basic realm/i)
      const wrong = await ask(site().origin, { path: '/admin/echo', headers: [['Authorization', WRONG_PASSWORD]] })
      expect(wrong.status).toBe(401)
    })

    it('lets the app know who came: REMOTE_USER in params(req)', async () => {
      const answer = await ask(site().origin, { path: '/admin/echo', headers: [['Authorization', PASSWORD]] })
      expect(echoOf(answer).params['REMOTE_USER']).toBe(USER.name)
    })

    it('is asked nowhere else', async () => {
      const answer = await ask(site().origin, '/echo')
      expect(echoOf(answer).params['REMOTE_USER'] ?? '').toBe('')
    })
  },
  { only: WITH_PASSWORD },
)

forEachServer(
  'X-Accel-Redirect through',
  ({ site }) => {
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
  },
  { only: ['nginx'] },
)

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
      const answer = await ask(site().origin, { path: `/cacheable?id=${id}`, headers: [['Authorization', PASSWORD]] })
      expect(answer.headers['x-cache-status']).toBe('BYPASS')
      expect(site().events.count(id, 'called')).toBe(2)
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
  ({ key, site }) => {
    it('is encoded again where only its decoded parts are there', async () => {
      const answer = await ask(site().origin, '/echo/a%20b/%E2%9C%93?q=%20')
      expect(echoOf(answer).url).toBe('/echo/a%20b/%E2%9C%93?q=%20')
      expect(key).toBeDefined()
    })
  },
  { only: ['nginx', 'apache', 'lighttpd', 'caddy', 'haproxy'], app: { url: 'rewritten' } },
)

it('16. Authorization: without CGIPassAuth and pass-header it is lost, so the examples must have them', async () => {
  const root = new URL('../../../examples/', import.meta.url)
  for (const [file, line] of [
    ['apache/app.conf', /^ *CGIPassAuth On$/m],
    ['apache/minimal.conf', /^ *CGIPassAuth On$/m],
    ['mod_fcgid/app.conf', /^ *CGIPassAuth On$/m],
    ['haproxy/haproxy.cfg', /^ *pass-header Authorization$/m],
  ] as const) {
    expect(await readFile(new URL(file, root), 'utf8')).toMatch(line)
  }
})
