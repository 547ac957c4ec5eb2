/** What happens to workers: killed, recycled, stuck, too many deaths; a stop under load; one that joins later. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { describeIfInstalled } from '../proxies/support/installed.js'
import { servers } from '../proxies/support/servers.js'
import type { RunningServer } from '../proxies/support/web-server.js'
import { createWorkspace, type Workspace } from '../proxies/support/workspace.js'
import { Load } from '../process/load.js'
import { explain } from './arrivals.js'
import { ANSWERING, Command, runCommand } from './command.js'

describeIfInstalled(servers.nginx, 'workers behind nginx, which keeps its connections', () => {
  let workspace: Workspace
  let front: RunningServer
  let command: Command

  beforeEach(async () => {
    workspace = await createWorkspace()
  })

  afterEach(async () => {
    await front.stop()
    await command.kill()
    await workspace.remove()
  })

  async function start(environment: Readonly<Record<string, string>>, ...options: string[]): Promise<void> {
    command = new Command([ANSWERING, '--socket', workspace.socket, '--mode', '0666', ...options], environment)
    await command.logged('listening')
    front = await servers.nginx.start(workspace)
  }

  /** What the command tells of its workers. */
  async function workers(): Promise<{ worker: number; pid: number; state: string }[]> {
    const { stdout } = await runCommand(['status', '--json', '--socket', workspace.socket])
    return (JSON.parse(stdout) as { workers: { worker: number; pid: number; state: string }[] }).workers
  }

  it('are replaced when they are killed; no connection is refused, and only what they had in flight fails', async () => {
    const arrivals = join(workspace.directory, 'arrivals')
    await start({ ARRIVALS: arrivals }, '--workers', '2')
    const load = new Load(front.port, '/', { hasIds: true })
    const killed = new Set<number>()
    const moments: [number, number][] = []
    for (let kill = 0; kill < 4; kill++) {
      await delay(200)
      const victim = (await workers()).find(({ state, worker }) => state === 'ready' && worker === kill % 2)
      if (victim === undefined) throw new Error('no worker to kill')
      const begin = performance.now()
      process.kill(victim.pid, 'SIGKILL')
      killed.add(victim.pid)
      expect(await command.logged('worker died', kill)).toMatchObject({ pid: victim.pid, signal: 'SIGKILL' })
      moments.push([begin, performance.now()])
      await command.logged('worker ready', kill)
    }
    await load.end()
    const { refused, unexplained } = explain(load.failed.keys(), arrivals, killed, front.logs(), (id) => load.wasOpen(id, moments))
    expect({ refused, unexplained: unexplained.map((id) => load.failed.get(id)) }).toEqual({ refused: [], unexplained: [] })
    // A client has one request at a time: so many at the most were in flight on the workers that were killed.
    expect(load.failures.length).toBeLessThanOrEqual(4 * 12)
    expect((await workers()).map(({ state }) => state)).toEqual(['ready', 'ready'])
  })

  it('are recycled at max-requests one after the other, and no request fails', async () => {
    await start({}, '--workers', '2', '--max-requests', '150')
    const load = new Load(front.port)
    await command.logged('worker has reached max-requests', 2)
    await load.end()
    expect(load.failures).toEqual([])
    expect(load.processes.size).toBeGreaterThan(2)
  })

  it('are recycled at max-rss with a warning where the app needs more from its start, and no request fails', async () => {
    await start({}, '--max-rss', '10MB', '--jitter', '0')
    const load = new Load(front.port)
    const line = await command.logged('max-rss is less than the app needs')
    expect(line).toMatchObject({ limit: 'max-rss', value: 10 * 1024 ** 2, worker: 0 })
    while ((await workers()).some(({ pid, state }) => pid === line.pid && state === 'ready')) await delay(100)
    await load.end()
    expect(load.failures).toEqual([])
  })

  it('answer all that was accepted or on its way when SIGTERM comes; the sockets are gone, and the exit status is 0', async () => {
    await start({}, '--workers', '2')
    const load = new Load(front.port)
    await delay(500)
    load.stopAsking()
    expect(await command.stop()).toMatchObject({ code: 0, signal: null })
    await load.end()
    expect(load.requests).toBeGreaterThan(0)
    expect(load.failures).toEqual([])
    expect([workspace.socket, `${workspace.socket}.control`].filter((path) => existsSync(path))).toEqual([])
  })

  it('answer all that was accepted or on its way when SIGTERM comes, though clients go on asking', async () => {
    const arrivals = join(workspace.directory, 'arrivals')
    await start({ ARRIVALS: arrivals }, '--workers', '2')
    const load = new Load(front.port, '/', { hasIds: true })
    await delay(500)
    expect(load.failures).toEqual([])
    expect(await command.stop()).toMatchObject({ code: 0, signal: null })
    expect(existsSync(workspace.socket)).toBe(false)
    await load.end()
    // What nginx could not connect for was never accepted: the socket was gone.
    const { refused, ...lost } = explain(load.failed.keys(), arrivals, new Set(), front.logs(), () => false)
    expect(lost).toEqual({ inFlight: [], onTheirWay: [], unexplained: [] })
    expect(refused.length).toBeGreaterThan(0)
    expect(refused.length).toBe(load.failures.length)
  })

  it('that join later get their share of the connections that nginx keeps', async () => {
    await start({}, '--workers', '2')
    const [, late] = await workers()
    if (late === undefined) throw new Error('no second worker')
    const load = new Load(front.port, '/work?3')
    process.kill(late.pid, 'SIGKILL')
    const { pid } = await command.logged('worker ready')
    const seen = load.processes.has(String(pid))
    while (!seen && !load.processes.has(String(pid))) await delay(100)
    await load.end()
    expect(load.processes.has(String(pid))).toBe(true)
  })

  it('whose event loop stands still are reported with function and route, and replaced', async () => {
    await start({}, '--workers', '1', '--stuck-timeout', '1s')
    const [stuck] = await workers()
    fetch(`http://127.0.0.1:${String(front.port)}/stuck`, { headers: { Host: 'app.example.com' } }).catch(() => undefined)
    const line = await command.logged('worker is stuck')
    expect(line).toMatchObject({ pid: stuck?.pid, request: { method: 'GET', url: '/stuck' } })
    expect(JSON.stringify(line['stack'])).toContain('standStill')
    await command.logged('worker ready')
    expect((await workers())[0]?.pid).not.toBe(stuck?.pid)
  })

  it('that are asked to answer within request-timeout, and do not, get 503, and the log says of what', async () => {
    await start({}, '--request-timeout', '400ms')
    const response = await fetch(`http://127.0.0.1:${String(front.port)}/never`, { headers: { Host: 'app.example.com' } })
    expect(response.status).toBe(503)
    expect((await command.logged('GET /never was not answered within 400 ms'))['code']).toBe('ERR_FCGI_REQUEST_TIMEOUT')
  })

  it('that die again and again end the command with status 4', async () => {
    await start({}, '--emergency-restart', '2', '--emergency-interval', '60s')
    for (let death = 0; death < 3; death++) {
      await fetch(`http://127.0.0.1:${String(front.port)}/exit`, { headers: { Host: 'app.example.com' } })
      if (death < 2) await command.logged('worker ready', death)
    }
    expect((await command.logged('more than 2 workers died'))['level']).toBe(50)
    expect(await command.child.ended).toMatchObject({ code: 4 })
  })
})

describe('the command', () => {
  const socket = join('/nowhere', 'app.sock')
  it.each([
    [['--workers', '0', ANSWERING], {}, 2, /option --workers is "0": give a whole number from 1/],
    [['--boot-timeout', 'soon', ANSWERING], {}, 2, /option --boot-timeout is "soon": give milliseconds, or a number with ms, s, m, h or d/],
    [['--max-rss', '5 parsecs', ANSWERING], {}, 2, /option --max-rss is "5 parsecs": give bytes/],
    [['--sokcet', socket, ANSWERING], {}, 2, /unknown option '--sokcet' \(Did you mean --socket\?\)/],
    [[ANSWERING], { EXPRESS_RESPONDER_WORKRES: '2' }, 2, /EXPRESS_RESPONDER_WORKRES in the environment is no option: did you mean EXPRESS_RESPONDER_WORKERS\?/],
    [[ANSWERING, '--port', '9000', '--socket', socket], {}, 2, /a server listens in one place/],
    [['--socket', socket], {}, 2, /no module is given/],
    [['no-such-file.js', '--socket', socket], {}, 1, /there is no module 'no-such-file.js'/],
    [['check', ANSWERING, '--socket', socket, '--jitter', '2'], {}, 2, /option --jitter is "2": give a share from 0 to 1/],
    [['reload'], {}, 2, /which process\?/],
    [['reload', '--socket', socket], {}, 1, /nobody answers at the control socket \/nowhere\/app.sock.control \(ENOENT\)/],
  ] as const)('%j ends with one line on stderr', async (args, environment, status, message) => {
    const { code, stderr } = await runCommand([...args], environment)
    expect(stderr).toMatch(message)
    expect(stderr.trim().split('\n').length).toBeLessThanOrEqual(2)
    expect(code).toBe(status)
  })

  it('checks options and app without listening', async () => {
    expect(await runCommand(['check', ANSWERING, '--socket', socket])).toMatchObject({ code: 0, stdout: expect.stringContaining('answers GET /') })
  })
})
