/** Each folder of examples/, copied out of the packed package, with its web server in front: what its README.md promises. */
import { existsSync, readdirSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { createWorkspace, type Workspace as Package } from '../package/packed.js'
import { runToEnd } from '../proxies/support/child.js'
import { describeIfInstalled } from '../proxies/support/installed.js'
import { findProgram } from '../proxies/support/programs.js'
import { apache } from '../proxies/support/servers/apache.js'
import { caddy } from '../proxies/support/servers/caddy.js'
import { h2o } from '../proxies/support/servers/h2o.js'
import { haproxy } from '../proxies/support/servers/haproxy.js'
import { lighttpd } from '../proxies/support/servers/lighttpd.js'
import { nginx } from '../proxies/support/servers/nginx.js'
import { sharedHosting } from '../proxies/support/servers/shared-hosting.js'
import { startSpawnFcgi } from '../proxies/support/servers/spawn-fcgi.js'
import { servers } from '../proxies/support/servers.js'
import type { WebServer } from '../proxies/support/web-server.js'
import { Copy, type Launch } from './copied.js'

const HELLO = 'Hello 127.0.0.1, by http\n'
/** Where the configuration is for a container's port; the test's port is the one of the other examples. */
const outsideContainer = { edit: (text: string): string => text.replace('listen 80;', 'listen 127.0.0.1:8080;') }
const PROXY_FCGI = ['proxy', 'proxy_fcgi']

let packed: Package
beforeAll(async () => {
  packed = await createWorkspace('express')
})
afterAll(() => packed.remove())

const cleanups: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function copy(folder: string, whole = false): Promise<Copy> {
  const made = await Copy.create(packed, folder, whole)
  cleanups.push(() => made.remove())
  return made
}

/** Starts the web server with the copy's files. */
async function front(server: WebServer, { workspace }: Copy): Promise<string> {
  const web = await server.start(workspace)
  cleanups.push(() => web.stop())
  return web.origin
}

async function hello(origin: string): Promise<[number, string]> {
  const response = await fetch(`${origin}/`)
  return [response.status, await response.text()]
}

/** Folders whose unit file runs the app: the web server of each, with its files in the copy. */
const SERVICES: Readonly<Record<string, (directory: string) => WebServer>> = {
  nginx: (directory) => nginx('nginx', join(directory, 'app.conf')),
  apache: (directory) => apache({ name: 'Apache', example: join(directory, 'app.conf'), modules: PROXY_FCGI }),
  lighttpd: (directory) => lighttpd('lighttpd', join(directory, 'app.conf')),
  caddy: (directory) => caddy('Caddy', join(directory, 'Caddyfile')),
  haproxy: (directory) => haproxy('HAProxy', join(directory, 'haproxy.cfg')),
  h2o: (directory) => h2o('h2o', join(directory, 'h2o.conf')),
  'cgi-fcgi': (directory) => apache({
    name: 'cgi-fcgi', example: join(directory, 'apache.conf'), package: 'libfcgi-bin', modules: ['cgid'], files: { [join(directory, 'app.cgi')]: 'srv/app.cgi' },
  }),
}

for (const [folder, server] of Object.entries(SERVICES)) {
  describeIfInstalled([server(''), ...folder === 'cgi-fcgi' ? [servers.cgiFcgi] : []], `examples/${folder}`, () => {
    it('its app, run by its unit file, answers behind the web server until SIGTERM', async () => {
      const made = await copy(folder)
      const app = await made.run(await made.unit())
      expect(await hello(await front(server(made.directory), made))).toEqual([200, HELLO])
      expect(await app.stop()).toBe(0)
      expect(app.output()).toBe(`listening on ${made.workspace.socket}\n`)
      expect(existsSync(made.workspace.socket)).toBe(false)
    })
  })
}

describeIfInstalled(servers.nginx, 'examples/middleware', () => {
  it('has all four middlewares at work', async () => {
    const made = await copy('middleware')
    const app = await made.run(await made.unit(), { STATS_TOKEN: 'of the test' })
    const origin = await front(nginx('nginx', join(made.directory, 'app.conf')), made)
    const response = await fetch(`${origin}/`)
    expect([response.status, await response.text()]).toEqual([200, HELLO])
    expect(response.headers.get('ratelimit')).toContain('r=599')
    expect((await fetch(`${origin}/late`)).status).toBe(500)
    const stats = `${origin}/debug/pprof/memstats`
    expect((await fetch(stats)).status).toBe(403)
    expect((await fetch(stats, { headers: { Authorization: 'Bearer of the test' } })).status).toBe(200)
    expect(await app.stop()).toBe(0)
  })

  it('shows nobody the memory page where no token is set', async () => {
    const made = await copy('middleware')
    await made.run(await made.unit())
    const origin = await front(nginx('nginx', join(made.directory, 'app.conf')), made)
    expect((await fetch(`${origin}/debug/pprof/memstats`, { headers: { Authorization: 'Bearer undefined' } })).status).toBe(403)
  })
})

describeIfInstalled(servers.nginx, 'examples/systemd', () => {
  it('its app listens on the socket that it inherits, and leaves it there', async () => {
    const made = await copy('systemd')
    expect(await made.text('app.socket')).toContain('\nListenStream=/run/app/app.sock\nSocketMode=0660\n')
    const app = await made.runOnSocket(await made.unit())
    expect(await hello(await front(nginx('nginx', join(made.directory, 'app.conf')), made))).toEqual([200, HELLO])
    expect(await app.stop()).toBe(0)
    expect(existsSync(made.workspace.socket)).toBe(true)
  })
})

/** What a Dockerfile says of the process, and the files that it copies. */
async function image(made: Copy): Promise<Launch & { copied: string[] }> {
  const text = await made.text('Dockerfile')
  const environment = Object.fromEntries([...text.matchAll(/^ENV (\w+)=(\S+)$/gm)].map(([, name = '', value = '']) => [name, value]))
  const command = JSON.parse(/^CMD (\[.*\])$/m.exec(text)?.[1] ?? '[]') as string[]
  const copied = [...text.matchAll(/^COPY (\S+) /gm)].map(([, file = '']) => file.replace('*', ''))
  expect(/^WORKDIR (.*)$/m.exec(text)?.[1]).toBe('/srv/app')
  return { command: command.map((word) => word === 'node' ? process.execPath : word), environment, copied }
}

describeIfInstalled(servers.nginx, 'examples/docker', () => {
  it('what its image runs answers behind nginx with the files that are mounted', async () => {
    const made = await copy('docker')
    const { copied, ...launch } = await image(made)
    const compose = await made.text('compose.yaml')
    const mounted = [...compose.matchAll(/'\.\/([^:]+):/g)].map(([, file = '']) => file)
    expect(mounted).toEqual(['nginx/app.conf', 'nginx/express_host.conf', 'nginx/express_params'])
    expect([...mounted, ...copied].filter((file) => !existsSync(join(made.directory, file)))).toEqual([])
    const environment = Object.fromEntries([...compose.matchAll(/(SOCKET\w*): '?([^',} ]+)/g)].map(([, name = '', value = '']) => [name, value]))
    expect(Object.keys(environment)).toEqual(['SOCKET', 'SOCKET_GROUP'])
    const app = await made.run(launch, environment)
    expect(await hello(await front(nginx('nginx', join(made.directory, 'nginx/app.conf'), outsideContainer), made))).toEqual([200, HELLO])
    expect(await app.stop()).toBe(0)
  })
})

describeIfInstalled(servers.nginx, 'examples/kubernetes', () => {
  it('what its image runs answers behind nginx with the files of the ConfigMap, also the probe', async () => {
    const made = await copy('kubernetes')
    const { copied, ...launch } = await image(made)
    const manifest = await made.text('app.yaml')
    const files = [...(await made.text('README.md')).matchAll(/--from-file=(\S+)/g)].map(([, file = '']) => file)
    expect(files.sort()).toEqual([...manifest.matchAll(/subPath: (\S+)/g)].map(([, file]) => file).sort())
    expect([...files, ...copied].filter((file) => !existsSync(join(made.directory, file)))).toEqual([])
    const environment = Object.fromEntries([...manifest.matchAll(/name: (SOCKET\w*), value: '?([^' }]+)/g)].map(([, name = '', value = '']) => [name, value]))
    expect(Object.keys(environment)).toEqual(['SOCKET', 'SOCKET_GROUP'])
    const app = await made.run(launch, environment)
    const origin = await front(nginx('nginx', join(made.directory, 'app.conf'), outsideContainer), made)
    expect(await hello(origin)).toEqual([200, HELLO])
    expect((await fetch(origin + (/httpGet: \{ path: (\S+),/.exec(manifest)?.[1] ?? ''))).status).toBe(200)
    expect(await app.stop()).toBe(0)
  })
})

describeIfInstalled(servers.modFcgid, 'examples/mod_fcgid', () => {
  it('its app is started by Apache and answers', async () => {
    const made = await copy('mod_fcgid', true)
    const server = apache({
      name: 'mod_fcgid', example: join(made.directory, 'app.conf'), package: 'libapache2-mod-fcgid', modules: ['fcgid'], startsApp: true,
    })
    expect(await hello(await front(server, made))).toEqual([200, HELLO])
  })
})

describeIfInstalled(sharedHosting(), 'examples/shared-hosting', () => {
  it('its app is started by way of the .htaccess and answers', async () => {
    const made = await copy('shared-hosting', true)
    expect(await hello(await front(sharedHosting(undefined, made.directory), made))).toEqual([200, HELLO])
  })
})

const CGI_FCGI = findProgram('cgi-fcgi')

describeIfInstalled([servers.spawnFcgi, { package: 'libfcgi-bin', installed: CGI_FCGI !== undefined }], 'examples/spawn-fcgi', () => {
  it('its app is started by start.sh, answers request.sh, and ends with status 0 on SIGTERM', async () => {
    const made = await copy('spawn-fcgi')
    const program = await startSpawnFcgi(made.workspace, join(made.directory, 'start.sh'))
    cleanups.push(() => program.stop())
    const script = await made.workspace.install('cgi-fcgi/request.sh', 0)
    const { stdout } = await runToEnd(script, ['/'])
    expect(stdout.toString()).toMatch(new RegExp(`^Status: 200 OK\\r\\n[^]*\\r\\n\\r\\n${HELLO}$`))
    program.signal('SIGTERM')
    expect(await program.exited).toBe(0)
  })
})

describe('the folders of examples/', () => {
  let directory: string
  let folders: string[]
  beforeAll(() => {
    directory = join(packed.directory, 'node_modules/express-responder/examples')
    folders = readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory()).map(({ name }) => name)
  })
  const read = (path: string): Promise<string> => readFile(join(directory, path), 'utf8')

  it('have each an app, what it needs, a README.md, and a line in examples/README.md', async () => {
    const index = await read('README.md')
    for (const folder of folders) {
      const files = readdirSync(join(directory, folder))
      expect([folder, ['app.js', 'package.json', 'README.md'].filter((file) => !files.includes(file))]).toEqual([folder, []])
      expect(index).toContain(`(${folder}/README.md)`)
    }
  })

  it('depend on what their apps import, and on this version of the package', async () => {
    for (const folder of folders) {
      const { dependencies, type } = JSON.parse(await read(`${folder}/package.json`)) as { dependencies: Record<string, string>; type: string }
      const programs = readdirSync(join(directory, folder)).filter((file) => file.endsWith('.js'))
      const texts = await Promise.all(programs.map((file) => read(`${folder}/${file}`)))
      const imported = texts.flatMap((text) => [...text.matchAll(/ from '((?!node:|\.)[^'/]+)/g)].map(([, name]) => name))
      expect([...new Set(imported)].sort()).toEqual(Object.keys(dependencies).sort())
      expect([type, dependencies['express-responder']]).toEqual(['module', `^${packed.manifest.version}`])
    }
  })

  it('have the same files of nginx wherever these stand, but for the port of a container', async () => {
    const site = (text: string): string => text.replace(/^(?:#.*\n)+/, '').replace(/^ {2}listen .*\n/m, '')
    const places = ['middleware', 'systemd', 'docker/nginx', 'kubernetes']
    for (const place of places) {
      for (const file of ['express_params', 'express_host.conf']) expect(await read(`${place}/${file}`)).toBe(await read(`nginx/${file}`))
      expect(site(await read(`${place}/app.conf`))).toBe(site(await read('nginx/app.conf')))
    }
  })
})

const ANALYZE = findProgram('systemd-analyze')

describeIfInstalled({ package: 'systemd', installed: ANALYZE !== undefined }, 'examples/systemd/command', () => {
  it('has units without a mistake, a service that may do little, and the user', async () => {
    const made = await copy('systemd')
    const directory = join(made.directory, 'command')
    const unit = await readFile(join(directory, 'app.service'), 'utf8')
    // Nothing is installed where the unit says, and systemd before 253 does not know what before-253.conf replaces.
    const known = unit.replace(/^Type=notify-reload$/m, 'Type=notify').replace(/^OpenFile=.*\n/m, '').replace(/^(ExecStart=)\S+/m, '$1/bin/true')
    expect(known.split('\n').length).toBe(unit.split('\n').length - 1)
    await writeFile(join(directory, 'app.service'), known)
    const verified = await runToEnd(ANALYZE ?? '', ['verify', join(directory, 'app.service'), join(directory, 'app.socket')])
    expect(`${verified.stdout.toString()}${verified.stderr}`).not.toContain(directory)
    const { stdout } = await runToEnd(ANALYZE ?? '', ['security', '--offline=true', join(directory, 'app.service')])
    expect(Number(/Overall exposure level for app.service: ([\d.]+)/.exec(stdout.toString())?.[1])).toBeLessThanOrEqual(1.1)
    expect(await readFile(join(directory, 'sysusers.conf'), 'utf8')).toMatch(/^u app - /m)
  })
})
