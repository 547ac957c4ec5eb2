/** The configurations that `express-responder config` prints: checked by the web servers themselves, and served through. */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import http from 'node:http'
import { mkdir, writeFile } from 'node:fs/promises'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { lastOf, pattern } from '../proxies/support/app.js'
import { Exchange, ask, begin, type Answer } from '../proxies/support/client.js'
import { describeIfInstalled } from '../proxies/support/installed.js'
import { echoOf } from '../proxies/support/json.js'
import { newId } from '../proxies/support/suite.js'
import { PACKAGE_ROOT } from '../proxies/support/workspace.js'
import { AUTHORIZATION } from '../proxies/support/user.js'
import { config } from './support/config-command.js'
import { checkPrinted, requirementOf, startConfigured, type ConfiguredSite, type ServerName, type Wanted } from './support/configured-site.js'

const SERVERS: readonly ServerName[] = ['nginx', 'apache', 'lighttpd', 'caddy', 'haproxy', 'h2o']
const STARTING_LIMIT_MS = 60_000
/** A response header that passes at the defaults of the command. */
const HEADER_BYTES: Readonly<Record<ServerName, number>> = { nginx: 28_000, apache: 7_000, lighttpd: 28_000, caddy: 28_000, haproxy: 28_000, h2o: 28_000 }
/** What a check says of a configuration that it accepts and does not like. That port 80 has no certificate Caddy warns of in any case. */
const FAULT = /\bwarn(?:ing)?\b(?!.*listening only on the HTTP port)|deprecated/i
const BODY = pattern(2 * 1024 ** 2)

/** A `describe` with a running site. */
function describeConfigured(name: ServerName, title: string, wanted: Wanted, body: (site: () => ConfiguredSite) => void): void {
  describeIfInstalled(requirementOf(name), `config ${name} ${title}`, () => {
    let running: ConfiguredSite | undefined
    beforeAll(async () => {
      running = await startConfigured(name, wanted)
    }, STARTING_LIMIT_MS)
    afterAll(() => running?.stop(), STARTING_LIMIT_MS)
    it('passes the check of the web server itself', async () => {
      const { code, output } = await site().check()
      expect({ code, output }).toMatchObject({ code: 0, output: expect.not.stringMatching(FAULT) as unknown })
    })
    const site = (): ConfiguredSite => {
      if (running === undefined) throw new Error('the site is only there inside tests')
      return running
    }
    body(site)
  })
}

async function requestsOneByOne(site: ConfiguredSite, count: number): Promise<number> {
  const before = site.connections()
  for (let index = 0; index < count; index++) expect((await ask(site.origin, '/echo')).status).toBe(200)
  return site.connections() - before
}

describe.each(SERVERS)('%s', (name) => {
  describeConfigured(name, '', {}, (site) => {
    it('passes on a GET, with host and port, scheme, and the URL as it was sent', async () => {
      const { host } = new URL(site().origin)
      const echo = echoOf(await ask(site().origin, '/echo/a%20b?c=d%2Fe'))
      expect(echo).toMatchObject({ url: '/echo/a%20b?c=d%2Fe', host, protocol: 'http', secure: false, headers: { host } })
    })

    it('passes on an upload of 2 MB', async () => {
      const echo = echoOf(await ask(site().origin, { method: 'POST', path: '/echo', body: BODY }))
      expect(echo).toMatchObject({ length: BODY.length, sha256: createHash('sha256').update(BODY).digest('hex') })
    })

    it('refuses an upload over the default of 16 MB', async () => {
      const size = 16 * 1024 ** 2 + 1024
      const upload = begin(site().origin, { method: 'POST', path: '/echo', headers: [['Content-Length', String(size)]] })
      // Caddy counts what comes; the others read the announced length, and may close before the body has come.
      if (name === 'caddy') upload.request.end(Buffer.alloc(size))
      expect((await upload.head()).statusCode).toBe(413)
      upload.abort()
    })

    it('passes Authorization on, and lets no client choose REMOTE_USER', async () => {
      const echo = echoOf(await ask(site().origin, { path: '/echo', headers: [['Authorization', AUTHORIZATION]] }))
      expect(echo.headers['authorization']).toBe(AUTHORIZATION)
      expect(echo.params['REMOTE_USER'] ?? '').toBe('')
    })

    it('passes on no HTTP_PROXY of the client', async () => {
      const echo = echoOf(await ask(site().origin, { path: '/echo', headers: [['Proxy', 'http://evil.example.net/']] }))
      expect(echo.headers['proxy']).toBeUndefined()
      // h2o passes it on, and has no means against it: the app's server drops it.
      if (name !== 'h2o') expect(echo.params['HTTP_PROXY'] ?? '').toBe('')
    })

    it('has room for a long cookie of the client, and for a long URL', async () => {
      const cookie = `a=${'b'.repeat(12_000)}`
      expect(echoOf(await ask(site().origin, { path: '/echo', headers: [['Cookie', cookie]] })).headers['cookie']).toBe(cookie)
      const url = `/echo?${'b'.repeat(12_000)}`
      expect(echoOf(await ask(site().origin, url)).url).toBe(url)
    })

    it('has room for a long response header', async () => {
      const size = HEADER_BYTES[name]
      // Node's own client takes 16 KiB unless told otherwise.
      const request = http.get(`${site().origin}/large-head?bytes=${String(size)}`, { agent: false, maxHeaderSize: 65_536 })
      const [response] = (await once(request, 'response')) as [http.IncomingMessage]
      response.resume()
      expect({ status: response.statusCode, length: response.headers['x-large']?.length }).toEqual({ status: 200, length: size })
    })

    it('hands on each piece of an event stream as the app writes it', async () => {
      const id = newId()
      const stream = new Exchange(site().origin, { path: `/sse?id=${id}` })
      await stream.received('data: one')
      site().events.release(id)
      await stream.received('data: two')
      site().events.release(lastOf(id))
      expect((await stream.answer).complete).toBe(true)
    })

    it('hands on each piece of any other response, too', async () => {
      const id = newId()
      const stream = new Exchange(site().origin, { path: `/stream?id=${id}` })
      await stream.received('first part')
      site().events.release(id)
      await stream.received('second part')
      site().events.release(lastOf(id))
      expect((await stream.answer).complete).toBe(true)
    })

    const keeps = name === 'nginx' || name === 'haproxy'
    it(keeps ? 'keeps the connection to the app' : 'takes a connection to the app for each request', async () => {
      await ask(site().origin, '/echo')
      expect(await requestsOneByOne(site(), 8)).toBe(keeps ? 0 : 8)
    })
  })

  describeConfigured(name, 'with --mount, --server-name and a path with spaces', {
    words: ['--mount', '/my.shop/new', '--server-name', 'shop.example.org', '*.example.net', '--socket', '/run/app/my app/a b.sock', '--name', 'my-shop'],
    apps: ({ run }) => [{ socket: join(run, 'my app/a b.sock'), mount: '/my.shop/new' }],
  }, (site) => {
    const askHost = (path: string, host: string): Promise<Answer> => ask(site().origin, { path, headers: [['Host', `${host}:${String(site().web.port)}`]] })

    it('is the app\'s at the prefix, and below it', async () => {
      for (const path of ['/my.shop/new/echo?a=b', '/my.shop/new', '/my.shop/new?a=b', '/my.shop/new/']) {
        expect(echoOf(await askHost(path, 'shop.example.org'))).toMatchObject({ url: path, hostname: 'shop.example.org' })
      }
    })

    it('is not the app\'s beside it', async () => {
      for (const path of ['/', '/my.shop/newer', '/my.shop/new.html', '/myxshop/new/echo']) {
        const { status } = await askHost(path, 'shop.example.org')
        // The app answers 200 to every path; 403 is the web server's own, where it has a folder that shows nothing.
        expect([403, 404]).toContain(status)
      }
    })

    it('passes Authorization on', async () => {
      const answer = await ask(site().origin, { path: '/my.shop/new/echo', headers: [['Host', 'shop.example.org'], ['Authorization', AUTHORIZATION]] })
      expect(echoOf(answer).headers['authorization']).toBe(AUTHORIZATION)
    })

    it('answers to a name of a wildcard', async () => {
      expect(echoOf(await askHost('/my.shop/new/echo', 'a.example.net'))).toMatchObject({ hostname: 'a.example.net' })
    })
  })

  if (name !== 'haproxy') {
    describeConfigured(name, 'with --static', {
      words: ['--static', '/srv/app/public/my files'],
      async prepare({ srv }) {
        await mkdir(join(srv, 'public/my files/.git'), { recursive: true })
        await writeFile(join(srv, 'public/my files/a b.txt'), 'static\n')
        await writeFile(join(srv, 'public/my files/.env'), 'hidden\n')
        await writeFile(join(srv, 'public/my files/.git/config'), 'hidden\n')
        await writeFile(join(srv, 'public/secret.txt'), 'outside\n')
      },
    }, (site) => {
      it('sends a file by itself, and asks the app for all else', async () => {
        const answer = await ask(site().origin, '/static/a%20b.txt')
        expect({ status: answer.status, body: answer.body.toString() }).toEqual({ status: 200, body: 'static\n' })
        expect(echoOf(await ask(site().origin, '/echo'))).toMatchObject({ url: '/echo' })
        expect(echoOf(await ask(site().origin, '/statics'))).toMatchObject({ url: '/statics' })
      })

      it('has no file that is not there', async () => {
        expect((await ask(site().origin, '/static/none.txt')).status).toBe(404)
      })

      if (name !== 'h2o') {
        it.each(['/static/.env', '/static/.git/config', '/static/%2eenv'])('hides %s', async (path) => {
          expect([403, 404]).toContain((await ask(site().origin, path)).status)
        })
      }

      it('sends nothing that is outside of the folder', async () => {
        for (const path of ['/static/../secret.txt', '/static/%2e%2e/secret.txt', '/static../secret.txt', '/static/..%2fsecret.txt']) {
          expect((await ask(site().origin, path)).body.toString()).not.toContain('outside')
        }
      })
    })
  }

  if (name === 'nginx' || name === 'haproxy' || name === 'caddy' || name === 'lighttpd') {
    describeConfigured(name, 'with two hosts', {
      words: ['--upstream', 'PORT0', 'PORT1'],
      apps: () => [{ port: 0 }, { port: 0 }],
    }, (site) => {
      it('asks both, and only one where the other is away', async () => {
        const counts = [0, 0]
        site().apps.forEach(({ server }, index) => server.on('request', () => (counts[index] = (counts[index] ?? 0) + 1)))
        await Promise.all(Array.from({ length: 20 }, () => ask(site().origin, '/echo')))
        expect(counts.every((count) => count > 0)).toBe(true)
        await site().apps[0]?.stop()
        const answers = await Promise.all(Array.from({ length: 20 }, (_, index) =>
          // Caddy tries no other method again, as its comment says.
          ask(site().origin, index % 2 === 0 || name === 'caddy' ? '/echo' : { path: '/echo', method: 'POST', body: 'a body' })))
        expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200))
      })
    })
  }
})

const LIMITED = SERVERS.filter((name) => name !== 'caddy')

describeIfInstalled(LIMITED.map(requirementOf), 'config with --timeout', () => {
  const sites = new Map<ServerName, ConfiguredSite>()
  beforeAll(async () => {
    await Promise.all(LIMITED.map(async (name) => sites.set(name, await startConfigured(name, { words: ['--timeout', '1s'] }))))
  }, STARTING_LIMIT_MS)
  afterAll(() => Promise.all([...sites.values()].map((site) => site.stop())), STARTING_LIMIT_MS)

  /** What comes of every server, by its name. */
  async function ofEach<Result>(of: (site: ConfiguredSite) => Promise<Result>): Promise<[ServerName, Result][]> {
    return Promise.all([...sites].map(async ([name, site]): Promise<[ServerName, Result]> => [name, await of(site)]))
  }

  it('cuts off a response that is silent for longer, and tells the client', async () => {
    const statuses = await ofEach(async (site) => {
      const id = newId()
      const { status } = await ask(site.origin, `/wait?id=${id}`)
      site.events.release(id)
      return status
    })
    expect(statuses.length).toBe(LIMITED.length)
    expect(statuses.filter(([, status]) => status < 500)).toEqual([])
  })

  it('lets a response go on that lasts longer and is never silent', async () => {
    const ended = await ofEach(async (site) => {
      const stream = new Exchange(site.origin, { path: `/endless?id=${newId()}` })
      const response = await stream.head()
      const started = performance.now()
      while (performance.now() - started < 2_000 && !response.destroyed) await Promise.race([once(response, 'data'), once(response, 'close')])
      const broken = response.destroyed
      stream.abort()
      return broken
    })
    expect(ended.filter(([, broken]) => broken)).toEqual([])
  })
})

describeConfigured('haproxy', 'with --health of a path that says 503 everywhere', { words: ['--health', '/status/503', '--upstream', 'PORT0', 'PORT1'], apps: () => [{ port: 0 }, { port: 0 }] }, (site) => {
  it('asks the hosts all the same', async () => {
    while (!site().web.logs().includes('app/app1 is DOWN') || !site().web.logs().includes('app/app2 is DOWN')) await ask(site().origin, '/echo')
    expect(await Promise.all(Array.from({ length: 4 }, async () => (await ask(site().origin, '/echo')).status))).toEqual([200, 200, 200, 200])
  })
})

describeConfigured('haproxy', 'with --health', { words: ['--health', '/status/200', '--upstream', 'PORT0', 'PORT1'], apps: () => [{ port: 0 }, { port: 0 }] }, (site) => {
  it('asks each host whether it is ready, and those that are', async () => {
    const asked = site().apps.map(({ server }) => new Promise<void>((resolve) => {
      server.on('request', ({ url }) => {
        if (url === '/status/200') resolve()
      })
    }))
    await Promise.all(asked)
    expect((await ask(site().origin, '/echo')).status).toBe(200)
  })
})

it.each([
  ['haproxy/hosts.cfg', ['haproxy', '--health', '/readyz']],
  ['nginx/hosts.conf', ['nginx', '--server-name', 'app.example.com']],
])('examples/%s is what the command prints for two hosts', async (path, words) => {
  const printed = await config(...words, '--upstream', '10.0.0.5:9000', '10.0.0.6:9000', '--listen', '127.0.0.1:8080')
  expect(readFileSync(join(PACKAGE_ROOT, 'examples', path), 'utf8')).toBe(printed)
})

describe.each(SERVERS)('%s', (name) => {
  describeIfInstalled(requirementOf(name), `config ${name} by itself`, () => {
    it.each([
      [[]],
      [['--listen', '[::1]:8080', '--server-name', 'a.example.org', 'b.example.org', '*.c.example.org', '--host', '10.0.0.5', '--port', '9000']],
      [['--listen', '443', '--server-name', '*.example.org', '--body-size', '0', '--upstream', '[fd00::5]:9000', '--mount', '/a', '--name', 'a-b-1']],
    ])('passes the check of the web server with %j', async (words) => {
      const { code, output } = await checkPrinted(name, words)
      expect({ code, output }).toMatchObject({ code: 0, output: expect.not.stringMatching(FAULT) as unknown })
    })

    if (name !== 'haproxy') {
      it('passes the check of the web server with --static below --mount', async () => {
        expect(await checkPrinted(name, ['--mount', '/a', '--static', '/srv/app/public', '--static-path', '/files.d'])).toMatchObject({ code: 0 })
      })
    }
  })
})

describeConfigured('nginx', 'with --no-keep-connections, and a name that begins variables of nginx', { words: ['--no-keep-connections', '--name', 'http', '--socket', '/run/app/app.sock'] }, (site) => {
  it('takes a connection to the app for each request', async () => {
    expect(await requestsOneByOne(site(), 5)).toBe(5)
  })

  it('passes on host and port', async () => {
    expect(echoOf(await ask(site().origin, '/echo'))).toMatchObject({ host: new URL(site().origin).host })
  })

  it('hands on each piece of a response that is no event stream', async () => {
    const id = newId()
    const stream = new Exchange(site().origin, { path: `/stream?id=${id}` })
    await stream.received('first part')
    site().events.release(id)
    site().events.release(lastOf(id))
    expect((await stream.answer).complete).toBe(true)
  })
})

describeConfigured('haproxy', 'with --no-keep-connections', { words: ['--no-keep-connections'] }, (site) => {
  it('takes a connection to the app for each request', async () => {
    expect(await requestsOneByOne(site(), 5)).toBe(5)
  })
})

describeConfigured('apache', 'with --keep-connections on TCP', { words: ['--keep-connections', '--upstream', 'PORT0'], apps: () => [{ port: 0 }] }, (site) => {
  it('keeps connections to the app', async () => {
    await requestsOneByOne(site(), 2)
    expect(await requestsOneByOne(site(), 8)).toBeLessThan(8)
  })
})

describeConfigured('h2o', 'on TCP', { words: ['--upstream', 'PORT0'], apps: () => [{ port: 0 }] }, (site) => {
  it('reaches the app', async () => {
    expect((await ask(site().origin, '/echo')).status).toBe(200)
  })
})
