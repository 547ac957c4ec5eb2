/** examples/shared-hosting as a customer has it: a home directory, mod_fcgid, and nothing else to be set. */
import { copyFile, readFile, rename, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from '@jest/globals'
import { lastOf } from './support/app.js'
import { Exchange, ask } from './support/client.js'
import { echoOf } from './support/json.js'
import { sharedHosting } from './support/servers/shared-hosting.js'
import type { Site } from './support/site.js'
import { describeSite, newId } from './support/suite.js'

/** The process that answers. */
async function answering({ origin }: Site): Promise<unknown> {
  return echoOf(await ask(origin, '/echo'))['pid']
}

describeSite(sharedHosting(), 'an app on shared hosting', (site) => {
  it('is started anew when app.fcgi has a new inode, and not when it is touched', async () => {
    const running = site()
    const wrapper = join(running.workspace.home, 'public_html/app.fcgi')
    const first = await answering(running)
    await utimes(wrapper, new Date(), new Date())
    await writeFile(wrapper, await readFile(wrapper))
    expect(await answering(running)).toBe(first)
    await copyFile(wrapper, `${wrapper}.new`)
    await rename(`${wrapper}.new`, wrapper)
    expect(await answering(running)).not.toBe(first)
  })

  it('carries what HTTP would', async () => {
    const { origin } = site()
    for (const name of ['a%20b', 'x%2Fy', 'x%3Fy', 'x%25y', '%E2%82%AC', '!$&\'()*+,;=:@', 'n'.repeat(250)]) {
      expect(echoOf(await ask(origin, `/echo/${name}?${name}`)).url).toBe(`/echo/${name}?${name}`)
    }
    const headers: [string, string][] = [['Authorization', 'Bearer token'], ['Proxy', 'http://evil.example']]
    const echo = echoOf(await ask(origin, { method: 'PUT', path: '/echo?a=1', headers, body: 'the body' }))
    expect(echo).toMatchObject({ method: 'PUT', url: '/echo?a=1', body: 'the body', headers: { authorization: 'Bearer token' } })
    expect(echo.params['HTTP_PROXY']).toBeUndefined()
  })

  it('answers 304 also for what the host compresses', async () => {
    const accept = ['Accept-Encoding', 'gzip'] as const
    const first = await ask(site().origin, { path: '/etag', headers: [accept] })
    expect(first.headers['content-encoding']).toBe('gzip')
    const again = await ask(site().origin, { path: '/etag', headers: [accept, ['If-None-Match', String(first.headers.etag)]] })
    expect(again.status).toBe(304)
  })

  it('sends events as they are written, where the host lets it', async () => {
    const id = newId()
    const exchange = new Exchange(site().origin, { path: `/sse?id=${id}` })
    await exchange.received('data: one')
    site().events.release(id)
    await exchange.received('data: two')
    site().events.release(lastOf(id))
    expect((await exchange.answer).complete).toBe(true)
  })

  it('runs in production, with what app.fcgi sets of the environment', async () => {
    const echo = echoOf(await ask(site().origin, '/echo'))
    expect(echo['environment']).toMatchObject({ NODE_ENV: 'production', PATH: '/usr/bin:/bin' })
  })

  it('has every URL but those of files in public_html', async () => {
    const { origin, workspace } = site()
    await writeFile(join(workspace.home, 'public_html/token.txt'), 'the token\n')
    expect((await ask(origin, '/token.txt')).body.toString()).toBe('the token\n')
    for (const path of ['/', '/echo', '/app.fcgi/echo', '/.htaccess', '/echo/.well-known/x.txt']) {
      const { status, body } = await ask(origin, path)
      if (path === '/.htaccess') expect(status).toBe(403)
      else expect({ status, url: (JSON.parse(body.toString()) as { url: string }).url }).toEqual({ status: 200, url: path })
    }
  })
})

describeSite(sharedHosting(''), 'an app on a shared host that has left mod_fcgid as it is', (site) => {
  it('refuses bodies over 128 KiB with 500', async () => {
    const { origin } = site()
    expect((await ask(origin, { method: 'POST', path: '/echo', body: Buffer.alloc(131_072) })).status).toBe(200)
    expect((await ask(origin, { method: 'POST', path: '/echo', body: Buffer.alloc(131_073) })).status).toBe(500)
  })
})
