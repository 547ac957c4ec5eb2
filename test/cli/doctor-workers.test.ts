/** The doctor before the command that runs an app: its workers answer the doctor while visitors come, and the app knows nothing of it. */
import { once } from 'node:events'
import { request, type ClientRequest, type IncomingMessage } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { askOverSocket } from '../../lib/cli/socket-client.js'
import { MARK_HEADER, diagnosticMark } from '../../lib/server/diagnostics.js'
import { PoolDiagnosis, type DiagnosedWorker } from '../../lib/workers/pool-diagnosis.js'
import { Load } from '../process/load.js'
import { describeIfInstalled } from '../proxies/support/installed.js'
import { nginx } from '../proxies/support/servers/nginx.js'
import { servers } from '../proxies/support/servers.js'
import type { RunningServer, WebServer } from '../proxies/support/web-server.js'
import { createWorkspace, type Workspace } from '../proxies/support/workspace.js'
import { ANSWERING, Command, runCommand } from '../workers/command.js'

/** How often is looked whether something has come to pass in another process, in ms. */
const LOOK = 20

const edited = (before: string, after: string): WebServer => nginx('nginx', 'nginx/app.conf', { edit: (text) => text.replace(before, after) })

let workspace: Workspace
let command: Command
let web: RunningServer | undefined

/** Begins a diagnosis as the doctor does. */
async function begin(): Promise<{ lease: ClientRequest, status: number | undefined, token: string }> {
  const lease = request({ socketPath: `${workspace.socket}.control`, method: 'POST', path: '/diagnosis', agent: false }).on('error', () => undefined).end()
  const [response] = await once(lease, 'response') as [IncomingMessage]
  const [line] = await once(response.setEncoding('utf8'), 'data') as [string]
  response.on('error', () => undefined)
  return { lease, status: response.statusCode, token: (JSON.parse(line) as { token?: string }).token ?? '' }
}

/** Whether the app, and not the workers in its place, answers a request of the doctor's with this token. */
async function reachesApp(token: string, number: number): Promise<boolean> {
  const name = `n${String(number)}`
  const response = await fetch(`${web?.origin ?? ''}/`, { headers: { Host: 'app.example.com', Connection: 'close', [MARK_HEADER]: diagnosticMark(token, 'plain', name) } })
  await response.text()
  return response.headers.get(MARK_HEADER) === null
}

/** Asks so often that each of two workers is asked: whoever is idle accepts. */
async function reachesAppEverywhere(token: string): Promise<boolean[]> {
  return [...new Set(await Promise.all(Array.from({ length: 40 }, (_, number) => reachesApp(token, number))))]
}

beforeEach(async () => {
  workspace = await createWorkspace()
  command = new Command([ANSWERING, '--socket', workspace.socket, '--mode', '0666', '--workers', '2'])
  await command.logged('listening')
})

afterEach(async () => {
  await web?.stop()
  web = undefined
  await command.kill()
  await workspace.remove()
})

const doctor = (...options: string[]): Promise<Awaited<ReturnType<typeof runCommand>>> => runCommand(['doctor', '--socket', workspace.socket, '--url', `${web?.origin ?? ''}/`, ...options])

describeIfInstalled(servers.nginx, 'the doctor before an app with two workers', () => {
  it('finds nothing in the example while visitors come, and no visitor notices', async () => {
    web = await servers.nginx.start(workspace)
    const load = new Load(web.port)
    const { code, stdout, stderr } = await doctor()
    await load.end()
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(/^Nothing found\.\nchecked: the path .*\nchecked: 15 requests .*, of which 15 arrived\n/)
    expect(load.failures).toEqual([])
    expect(load.requests).toBeGreaterThan(0)
  })

  it.each([
    ['an upload that is refused', 'client_max_body_size 16m;', '', 'upload-size', 'client_max_body_size 16m;'],
    ['kept connections that are used once', 'keepalive 16;', '', 'keep-alive', 'keepalive 16;'],
  ])('names the line under load, and the app is served as before: %s', async (_what, before, after, code, line) => {
    web = await edited(before, after).start(workspace)
    const load = new Load(web.port)
    const { code: status, stdout } = await doctor('--json')
    load.stopAsking()
    const { findings } = JSON.parse(stdout) as { findings: { code: string, line: string }[] }
    expect(findings[0]).toMatchObject({ code, line })
    expect(status).toBe(1)
    await load.end()
    expect(load.failures).toEqual([])
    expect(await reachesAppEverywhere('0'.repeat(32))).toEqual([true])
  })

  it('names the line where the server refuses all requests before the app sees them', async () => {
    web = await edited('include express_params;', 'include express_params; fastcgi_param HTTP_HOST $host;').start(workspace)
    const { code, stdout } = await doctor()
    expect(stdout).toMatch(/^param-twice: The header Host arrives twice: .*\n {2}seen: {2}it answered 400: The header Host came twice\n {2}write: include express_params;/)
    expect(code).toBe(1)
  })

  it('compares with the idle limit that the app has', async () => {
    web = await edited('keepalive 16;', 'keepalive 16; keepalive_timeout 90s;').start(workspace)
    expect((await doctor()).stdout).toMatch(/^Nothing found/)
    await command.stop()
    command = new Command([ANSWERING, '--socket', workspace.socket, '--mode', '0666', '--config', await workspace.write('c.json', '{"server": {"timeouts": {"idle": 70000}}}')])
    await command.logged('listening')
    expect((await doctor()).stdout).toContain('nginx keeps idle connections for 90 s, the app closes them after 70 s')
  })

  it('gives the app all requests again when it is killed half-way', async () => {
    // A stream that is gathered is held for two seconds.
    web = await edited('fastcgi_keep_conn on;', 'fastcgi_ignore_headers X-Accel-Buffering; fastcgi_buffering on;').start(workspace)
    const half = new Command(['doctor', '--socket', workspace.socket, '--url', `${web.origin}/`])
    while (!await isDiagnosed()) await delay(LOOK)
    await half.kill()
    while (await isDiagnosed()) await delay(LOOK)
    expect((await doctor()).stdout).toContain('15 requests')
  })

  it('has the workers answer nobody but who has the token, and no longer than the doctor is there', async () => {
    web = await servers.nginx.start(workspace)
    const { lease, status, token } = await begin()
    expect([status, token.length]).toEqual([200, 32])
    expect(await reachesAppEverywhere(token)).toEqual([false])
    expect(await reachesAppEverywhere('0'.repeat(32))).toEqual([true])
    expect((await begin()).status).toBe(409)
    lease.destroy()
    while (!await reachesApp(token, 0)) await delay(LOOK)
    while (await isDiagnosed()) await delay(LOOK)
    expect(await reachesAppEverywhere(token)).toEqual([true])
  })

  it('has workers answer that take the place of others meanwhile', async () => {
    web = await servers.nginx.start(workspace)
    const { lease, token } = await begin()
    expect(await runCommand(['reload', '--socket', workspace.socket])).toMatchObject({ code: 0 })
    expect(await reachesAppEverywhere(token)).toEqual([false])
    lease.destroy()
  })
})

/** Whether a diagnosis runs. */
async function isDiagnosed(): Promise<boolean> {
  return (await askOverSocket(`${workspace.socket}.control`, { method: 'GET', path: '/diagnosis/arrivals' })).status === 200
}

describe('a doctor that cannot ask the app', () => {
  it('says why, and what would help', async () => {
    const { stdout } = await runCommand(['doctor', '--socket', workspace.socket, '--url', 'http://127.0.0.1:1/', '--control-socket', `${workspace.socket}.other`])
    expect(stdout).toContain(`what arrives at the app: nobody answers at the control socket ${workspace.socket}.other (ENOENT); it can be asked where express-responder runs it`)
  })
})

describe('a diagnosis', () => {
  it('ends by itself in all workers when it takes too long', async () => {
    const orders: string[] = []
    const worker: DiagnosedWorker = { pid: 1, accepts: true, diagnose: ({ step }) => Promise.resolve(orders.push(step) === 0) }
    let ends = 0
    const diagnosis = new PoolDiagnosis(() => [worker], () => ends++, 20)
    await diagnosis.begin()
    const alive = setInterval(() => undefined, 1000)
    await diagnosis.over
    clearInterval(alive)
    expect([orders, ends, diagnosis.isOver]).toEqual([['begin', 'end'], 1, true])
  })
})
