/** The port itself, and who may connect to it: what the doctor says of what listens there, and whom the app lets in. */
import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { createServer, type ServerOptions } from 'express-responder'
import { diagnose, type Diagnosis, type DoctorOptions } from '../../lib/cli/doctor/diagnose.js'
import type { Finding } from '../../lib/cli/doctor/finding.js'
import { parseListeners } from '../../lib/cli/doctor/proc-files.js'
import { standIn } from '../../lib/cli/doctor/stand-in.js'
import { startChild } from '../proxies/support/child.js'
import { describeIfInstalled } from '../proxies/support/installed.js'
import { freePort } from '../proxies/support/ports.js'
import { nginx } from '../proxies/support/servers/nginx.js'
import { servers } from '../proxies/support/servers.js'
import type { RunningServer } from '../proxies/support/web-server.js'
import { createWorkspace, type Workspace } from '../proxies/support/workspace.js'
import { ANSWERING, Command, runCommand } from '../workers/command.js'
import { optionsFor } from './support/doctor.js'
import { connectionFindings, factsOnPort, portFindings } from './support/port-facts.js'

const OPEN = { mode: undefined, owner: undefined, group: undefined }
const hasIpv6 = Object.values(networkInterfaces()).some((addresses) => addresses?.some(({ address }) => address === '::1'))
const itOnIpv6 = hasIpv6 ? it : it.skip

let port: number
const cleanups: (() => unknown)[] = []
beforeEach(async () => {
  port = await freePort()
})
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

/** Listens on the port until the end of the test. */
async function listen(server: net.Server, host = '127.0.0.1'): Promise<void> {
  server.listen(port, host)
  await once(server, 'listening')
  cleanups.push(() => {
    if (server instanceof http.Server) server.closeAllConnections()
    server.close()
  })
}

const app = (options: ServerOptions = {}): net.Server => createServer(options, (_, response) => response.end('hello'))

/** What the doctor says of the port alone. */
async function examine(options: Partial<DoctorOptions> = {}, host = '127.0.0.1'): Promise<Diagnosis> {
  return diagnose(optionsFor({ kind: 'port', host, port }, undefined, { listen: 'where-free', ...options }))
}

async function find(options: Partial<DoctorOptions> = {}, host?: string): Promise<Diagnosis['findings']> {
  return (await examine(options, host)).findings
}

describe('the doctor at a port', () => {
  it('finds nothing where an app answers', async () => {
    await listen(app())
    const { findings, checked } = await examine()
    expect(findings).toEqual([])
    expect(checked).toEqual([`the port 127.0.0.1:${String(port)}`])
    expect(await find({}, 'localhost')).toEqual([])
  })

  it('tells that nobody listens', async () => {
    expect(await find()).toMatchObject([{ code: 'no-listener', evidence: `nobody listens at 127.0.0.1:${String(port)}: ECONNREFUSED`, line: 'systemctl start app', place: expect.stringContaining(`serve(app, { port: ${String(port)} })`) }])
  })

  itOnIpv6('tells that the app listens at another address, and does not take its place', async () => {
    await listen(app(), '::1')
    expect(await find()).toMatchObject([{
      code: 'other-address', evidence: `somebody listens at [::1]:${String(port)}`, line: `serve(app, { port: ${String(port)} })`, place: expect.stringContaining(`--port [::1]:${String(port)}`),
    }])
    const { findings, unchecked } = await diagnose(optionsFor({ kind: 'port', host: '127.0.0.1', port }, new URL(`http://127.0.0.1:${String(await freePort())}/`), { listen: 'where-free' }))
    expect(findings.map(({ code }) => code)).toEqual(['other-address', 'url-unreachable'])
    expect(unchecked.join('\n')).toContain('what arrives at the app')
    expect(await find({}, '::1')).toEqual([])
  })

  it('tells that an app speaks HTTP', async () => {
    await listen(http.createServer((_, response) => response.end()))
    expect(await find()).toMatchObject([{ code: 'app-speaks-http', line: `serve(app, { port: ${String(port)} })` }])
  })

  it('tells that another program listens', async () => {
    await listen(net.createServer((connection) => connection.on('error', () => undefined).end('SSH-2.0-OpenSSH\r\n')))
    expect(await find()).toMatchObject([{ code: 'not-fastcgi', line: `ss -ltnp 'sport = :${String(port)}'` }])
  })

  it('tells that nothing is answered', async () => {
    await listen(net.createServer((connection) => connection.on('error', () => undefined)))
    expect(await find({ timeout: 200 })).toMatchObject([{ code: 'no-answer' }])
  })

  it('tells that connections are closed without an answer', async () => {
    await listen(net.createServer((connection) => connection.on('error', () => undefined).destroy()))
    expect(await find()).toMatchObject([{ code: 'app-closes' }])
  })

  it('tells that the queue is full', async () => {
    const program = `require('node:net').createServer().listen({ host: '127.0.0.1', port: ${String(port)}, backlog: 1 }, () => { console.log('listening'); process.kill(process.pid, 'SIGSTOP') })`
    const child = startChild(process.execPath, ['-e', program])
    cleanups.push(() => {
      child.signal('SIGKILL')
      return child.exited
    })
    while (child.running && !child.logs().includes('listening')) await new Promise((resolve) => setTimeout(resolve, 10))
    const waiting = Array.from({ length: 5 }, () => net.connect(port, '127.0.0.1').on('error', () => undefined))
    cleanups.push(() => {
      for (const connection of waiting) connection.destroy()
    })
    await Promise.race(waiting.map((connection) => once(connection, 'connect')))
    expect(await find({ timeout: 300 })).toMatchObject([{ code: 'queue-full', line: 'sysctl -w net.core.somaxconn=4096' }])
  })

  it('tells that a name has no address', async () => {
    expect(await find({}, 'app.invalid')).toMatchObject([{ code: 'unknown-host', line: 'getent hosts app.invalid' }])
  })

  it('tells that the web server does not answer', async () => {
    const url = new URL(`http://127.0.0.1:${String(await freePort())}/`)
    const { findings } = await diagnose(optionsFor({ kind: 'port', host: '127.0.0.1', port }, url, { server: 'nginx' }))
    expect(findings).toMatchObject([{ code: 'url-unreachable', line: 'systemctl start nginx' }])
  })
})

describe('the doctor in the place of an app on a port', () => {
  it('is refused where somebody listens, who goes on unharmed', async () => {
    await listen(app())
    const place = { kind: 'port', host: '127.0.0.1', port } as const
    const inUse = { code: 'EADDRINUSE', message: expect.stringContaining('Stop the process that serves it, or choose another port.') }
    await expect(diagnose(optionsFor(place, new URL('http://127.0.0.1:1/')))).rejects.toMatchObject(inUse)
    await expect(standIn(place, OPEN)).rejects.toMatchObject(inUse)
    expect(await find()).toEqual([])
  })

  it('is refused where the address is of another machine', async () => {
    await expect(standIn({ kind: 'port', host: '203.0.113.7', port }, OPEN)).rejects.toMatchObject({ code: 'ERR_FCGI_OPTION', message: expect.stringContaining('(EADDRNOTAVAIL). It is no address of this machine') })
  })

  it('leaves the port to the app when it is done', async () => {
    const source = await standIn({ kind: 'port', host: '127.0.0.1', port }, OPEN)
    await source.close()
    await listen(app())
    expect(await find()).toEqual([])
  })
})

describe('who may connect to the port', () => {
  it.each<[address: string, asked: string]>([['0.0.0.0', '127.0.0.1'], ...hasIpv6 ? [['::', '127.0.0.1'], ['::', '::1']] satisfies [string, string][] : []])('tells that an app at %s lets everybody in, asked at %s', async (address, asked) => {
    await listen(app(), address)
    expect(await find({}, asked)).toMatchObject([{
      code: 'open-port', line: `FCGI_WEB_SERVER_ADDRS=${asked}`, place: expect.stringContaining(`serve(app, { port: ${String(port)} }), or no --host`),
      evidence: `the app listens at ${address === '::' ? '[::]' : address}:${String(port)}, and answered an address that no list of web servers has`,
    }])
  })

  it('finds nothing where the app names its web servers', async () => {
    await listen(app({ webServerAddresses: ['127.0.0.1'] }), '0.0.0.0')
    expect(await find()).toEqual([])
  })

  it('reads the table of the kernel', () => {
    const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:2328 00000000:0000 0A 00000000:00000003 00:00000000 00000000     0        0 15487 1 0 100 0 0 10 0
   1: 0100007F:2328 0100007F:E4A2 01 00000000:00000000 00:00000000 00000000     0        0 15488 1 0 20 4 30 10 -1
   2: 00000000:2329 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 15489 1 0 100 0 0 10 0
   3: 00000000000000000000000001000000:2328 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 15490 1 0
   4: 000000FD000000000000000005000000:2328 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 15491 1 0
`
    expect(parseListeners(table, 9000)).toEqual([{ address: '127.0.0.1', waiting: 3, inode: '15487' }, { address: '::1', waiting: 0, inode: '15490' }, { address: 'fd00::5', waiting: 0, inode: '15491' }])
    expect(parseListeners(table, 9001)).toEqual([{ address: '0.0.0.0', waiting: 0, inode: '15489' }])
  })
})

describeIfInstalled(servers.nginx, 'the doctor before an app that the command runs on a port', () => {
  let workspace: Workspace
  let web: RunningServer
  let control: string
  beforeEach(async () => {
    workspace = await createWorkspace()
    control = join(workspace.run, 'control.sock')
    web = await nginx('nginx', 'nginx/app.conf', { edit: (text) => text.replace('unix:/run/app/app.sock', '127.0.0.1:9000') }).start(workspace)
  })
  afterEach(async () => {
    await web.stop()
    await workspace.remove()
  })

  async function start(options: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<void> {
    const command = new Command([ANSWERING, '--port', String(workspace.appPort), ...options], environment)
    cleanups.push(() => command.kill())
    await command.logged('listening')
  }
  const doctor = (...options: string[]): ReturnType<typeof runCommand> => runCommand(['doctor', '--port', String(workspace.appPort), '--url', `${web.origin}/`, ...options])

  it('finds nothing where it is asked by its control socket', async () => {
    await start(['--workers', '2', '--control-socket', control])
    const { code, stdout, stderr } = await doctor('--control-socket', control)
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(/^Nothing found\.\nchecked: the port 127\.0\.0\.1:\d+\nchecked: 15 requests .*, of which 15 arrived\nchecked: \d files .*$/)
  })

  it('says what it has not seen where there is none', async () => {
    await start([])
    const { code, stdout } = await doctor()
    expect(code).toBe(0)
    expect(stdout).toContain('not checked: what arrives at the app: an app on a port can be asked where express-responder runs it with a --control-socket. Give that here, too')
  })

  it('finds nothing where the web server gets to an app that is closed to the doctor', async () => {
    const asked = `127.0.0.2:${String(workspace.appPort)}`
    const local = await nginx('nginx', 'nginx/app.conf', {
      edit: (text) => text.replace('unix:/run/app/app.sock', '127.0.0.1:9000').replace('fastcgi_pass app;', 'fastcgi_bind 127.0.0.3; fastcgi_pass app;'),
    }).start(workspace)
    cleanups.push(() => local.stop())
    await start(['--host', '0.0.0.0', '--control-socket', control], { FCGI_WEB_SERVER_ADDRS: '127.0.0.3' })
    const { code, stdout } = await runCommand(['doctor', '--port', asked, '--url', `${local.origin}/`, '--control-socket', control])
    expect(stdout).toMatch(/^Nothing found\.[^]*of which 15 arrived[^]*not checked: what the app answers to this machine: it lets 127\.0\.0\.3 connect/)
    expect(code).toBe(0)
  })

  it('names the address that the app refuses', async () => {
    await start(['--control-socket', control], { FCGI_WEB_SERVER_ADDRS: '192.0.2.9' })
    const { code, stdout } = await doctor('--control-socket', control, '--json')
    expect(code).toBe(1)
    expect(JSON.parse(stdout)).toMatchObject({ findings: [{ code: 'address-refused', line: 'FCGI_WEB_SERVER_ADDRS=192.0.2.9,127.0.0.1' }] })
    expect((JSON.parse(stdout) as Diagnosis).findings).toHaveLength(1)
  })

  it('says that the app lets others in alone where the web server is not here', async () => {
    await start([], { FCGI_WEB_SERVER_ADDRS: '192.0.2.9' })
    const { stdout } = await runCommand(['doctor', '--port', String(workspace.appPort)])
    expect(stdout).toMatch(/^Nothing found\.[^]*not checked: what the app answers to this machine: it lets 192\.0\.2\.9 connect/)
  })
})

describe('what the doctor concludes from facts on a port', () => {
  it('that a host that does not answer in time, or to which there is no way, cannot be reached', () => {
    for (const [reason, evidence] of [['ABORT_ERR', 'connecting had no answer in time'], ['EHOSTUNREACH', 'EHOSTUNREACH'], ['ENETUNREACH', 'ENETUNREACH']] as const) {
      expect(portFindings(factsOnPort({ host: '10.0.0.5', addresses: ['10.0.0.5'] }, { answer: { kind: 'refused', reason } }))).toMatchObject([{ code: 'host-unreachable', evidence, line: 'ip route get 10.0.0.5' }])
    }
  })

  it('that the app refuses a web server of another machine that it does not list', () => {
    const allowed = '10.0.0.7, 10.0.0.8'
    const refuses = (elsewhere: string): Finding[] => portFindings(factsOnPort({ host: '10.0.0.5', addresses: ['10.0.0.5'], allowed }, { answer: { kind: 'closed', from: '10.0.0.5' }, elsewhere }), 'way')
    expect(refuses('http://10.0.0.2/')).toMatchObject([{ code: 'address-refused', line: 'FCGI_WEB_SERVER_ADDRS=10.0.0.7, 10.0.0.8,10.0.0.2' }])
    expect(refuses('http://10.0.0.8/')).toEqual([])
    expect(refuses('http://app.example.com/')).toEqual([])
  })

  it('that 127.0.0.1 is another machine to a web server with a network of its own', () => {
    expect(portFindings(factsOnPort({}, { sameNetwork: false }), 'way')).toMatchObject([{ code: 'other-network', line: 'serve(app, { socket: \'/run/app/app.sock\' })' }])
    expect(portFindings(factsOnPort({ host: '10.0.0.5', addresses: ['10.0.0.5'] }, { sameNetwork: false }), 'way')).toEqual([])
  })

  it('that SELinux is in the way where it enforces rules on the web server', () => {
    const label = 'system_u:system_r:httpd_t:s0'
    expect(portFindings(factsOnPort({ enforcing: true }, { label }), 'way')).toMatchObject([{ code: 'selinux', line: 'setsebool -P httpd_can_network_connect on' }])
    expect(portFindings(factsOnPort({}, { label }), 'way')).toEqual([])
  })

  it('that nginx takes a name for two servers where the app is at one of them', () => {
    const configured = [{ host: 'localhost', addresses: ['127.0.0.1', '::1'], at: '/etc/nginx/conf.d/app.conf:3' }]
    const configuration = [{ path: '/etc/nginx/nginx.conf', text: 'http { upstream app { server localhost:9000; } server { location / { fastcgi_pass app; } } }' }]
    expect(connectionFindings(factsOnPort({ configured }, { configuration }))).toMatchObject([{
      code: 'two-addresses', line: 'server 127.0.0.1:9000 max_fails=0;', evidence: '/etc/nginx/conf.d/app.conf:3 has localhost:9000, which is 127.0.0.1 and ::1',
    }])
    const hosts = [{ host: 'app.internal', addresses: ['10.0.0.5', '10.0.0.6'], at: '/etc/nginx/conf.d/app.conf:3' }]
    expect(connectionFindings(factsOnPort({ host: '10.0.0.5', addresses: ['10.0.0.5'], listening: undefined, configured: hosts }, { configuration }))).toEqual([])
    for (const listening of [['::'], ['127.0.0.1', '::1']]) expect(connectionFindings(factsOnPort({ configured, listening }, { configuration }))).toEqual([])
  })
})
