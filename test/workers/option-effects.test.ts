/** What options of the command do to workers that run: how they are tried, what they answer, what they let go, when they leave. */
import { existsSync, readFileSync, watch, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { askOverSocket } from '../../lib/cli/socket-client.js'
import { ask, paramsOf } from '../process/support.js'
import { FastCgiClient } from '../support/fastcgi-client.js'
import { ANSWERING, Command } from './command.js'

/** A web server that is known to close a kept connection when it is asked to. */
const ASKED = { SERVER_SOFTWARE: 'nginx/1.22.1' }
/** Tells on stdout of each request that comes, and when the answer to one that it never answers is cut off. */
const TELLING = `
module.exports = (request, response) => {
  console.log('asked ' + request.url)
  response.on('close', () => { console.log('closed ' + String(Date.now())) })
  if (request.url === '/broken') response.statusCode = 500
  if (request.url !== '/never') response.end('done')
}`

interface Told {
  readonly worker: number
  readonly pid: number
  readonly state: string
  readonly report: { readonly requests: number, readonly connections: number, readonly released: number } | null
}

let directory: string
let app: string
let commands: Command[]
let clients: FastCgiClient[]

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'effects-'))
  app = join(directory, 'app.cjs')
  writeFileSync(app, TELLING)
  commands = []
  clients = []
})

afterEach(async () => {
  // Workers whose primary is gone would wait for web servers to close what they keep.
  await Promise.all(clients.map((client) => client.destroy()))
  await Promise.all(commands.map((command) => command.kill()))
  await rm(directory, { recursive: true })
})

function socketOf(name: string): string {
  return join(directory, name)
}

function begin(args: readonly string[], name = 'app.sock', environment: Readonly<Record<string, string>> = {}): Command {
  const command = new Command([...args, '--socket', socketOf(name)], environment)
  commands.push(command)
  return command
}

/** Starts it, and resolves once it listens. */
async function start(args: readonly string[], name?: string): Promise<Command> {
  const command = begin(args, name)
  await command.logged('listening')
  return command
}

async function workers(name = 'app.sock'): Promise<Told[]> {
  const { body } = await askOverSocket(`${socketOf(name)}.control`, { method: 'GET', path: '/status.json' })
  return (JSON.parse(body) as { workers: Told[] }).workers
}

async function reload(name = 'app.sock'): Promise<void> {
  expect(await askOverSocket(`${socketOf(name)}.control`, { method: 'POST', path: '/reload' })).toMatchObject({ status: 200 })
}

/** Resolves once the file is there. */
async function appears(path: string): Promise<void> {
  await new Promise<void>((resolve) => {
    const watcher = watch(dirname(path), () => { look() })
    function look(): void {
      if (!existsSync(path)) return
      watcher.close()
      resolve()
    }
    look()
  })
}

async function connect(name = 'app.sock'): Promise<FastCgiClient> {
  const client = await FastCgiClient.connect(socketOf(name))
  clients.push(client)
  return client
}

/** A connection that the web server keeps, after one request of it. */
async function kept(name = 'app.sock'): Promise<FastCgiClient> {
  const client = await connect(name)
  await client.request({ params: { ...paramsOf('/'), ...ASKED } })
  return client
}

describe('boot-path', () => {
  it.each([
    ['that is not given is /', [], ['asked /']],
    ['has the app asked for that path alone', ['--boot-path', '/ready?full'], ['asked /ready?full']],
    ['that is off has the app asked for nothing', ['--boot-path', 'off'], []],
  ])('%s', async (_, options, asked) => {
    const command = await start([app, ...options])
    const client = await connect()
    expect(await ask(client, '/first', false)).toBe('200 done')
    // The app tells by a pipe that the worker writes to at once: what it was asked before is there, too.
    await command.child.line('asked /first')
    expect(command.child.lines.filter((line) => line.startsWith('asked'))).toEqual([...asked, 'asked /first'])
  })

  it('that is off lets an app serve that would not pass', async () => {
    expect(await begin([app, '--boot-path', '/broken'], 'tried.sock').child.ended).toMatchObject({ code: 1 })
    writeFileSync(app, TELLING.replace('/broken', '/'))
    await start([app, '--boot-path', 'off'])
    const client = await connect()
    expect(await ask(client, '/', false)).toBe('500 done')
  })
})

describe('log-level', () => {
  /** Starts, has a reload fail, and stops. @returns the lines of the log, as level and message */
  async function life(level: string): Promise<string[]> {
    const mode = join(directory, 'mode')
    writeFileSync(mode, '')
    const command = begin([ANSWERING, '--log-level', level], 'app.sock', { APP_MODE: mode })
    await appears(`${socketOf('app.sock')}.control`)
    await reload()
    writeFileSync(mode, 'throws')
    expect(await askOverSocket(`${socketOf('app.sock')}.control`, { method: 'POST', path: '/reload' })).toMatchObject({ status: 500 })
    expect(await command.stop()).toEqual({ code: 0, signal: null, stderr: '' })
    expect(command.child.lines).toHaveLength(command.log.length)
    return command.log.map(({ level: severity, msg }) => `${String(severity)} ${msg.replace(/(?: on |:).*/s, '')}`)
  }

  it.each(['info', 'debug'])('%s tells of all that is done', async (level) => {
    expect(await life(level)).toEqual(['30 listening', '30 reloading', '30 reloaded', '30 reloading', '50 the old workers go on', '30 stopping', '30 stopped'])
  })

  it('error tells of what has failed alone', async () => {
    expect(await life('error')).toEqual(['50 the old workers go on'])
  })

  it('silent tells of nothing', async () => {
    expect(await life('silent')).toEqual([])
  })

  it('warn tells that a worker has died, and not that another is ready', async () => {
    const command = begin([app, '--log-level', 'warn'])
    await appears(`${socketOf('app.sock')}.control`)
    const [victim] = await workers()
    if (victim === undefined) throw new Error('no worker')
    process.kill(victim.pid, 'SIGKILL')
    await command.logged('worker died')
    while (!(await workers()).some(({ state, pid }) => state === 'ready' && pid !== victim.pid)) await turn()
    await command.stop()
    expect(command.log.map(({ level }) => level)).toEqual([40])
  })
})

describe('status-path', () => {
  it('has the status of all workers answered at that path of the app, by any of them; all else is the app\'s', async () => {
    await start([app, '--workers', '2', '--status-path', '/internal/status'])
    const client = await connect()
    const { status, headers, body } = await client.request({ params: paramsOf('/internal/status/status.json') })
    expect({ status, type: headers['content-type'] }).toEqual({ status: 200, type: expect.stringContaining('application/json') })
    const told = (JSON.parse(body.toString()) as { workers: Told[] }).workers
    expect(told.map(({ worker, state }) => [worker, state])).toEqual([[0, 'ready'], [1, 'ready']])
    expect(told.map(({ pid }) => pid)).toEqual((await workers()).map(({ pid }) => pid))
    expect(await client.request({ params: paramsOf('/internal/status') })).toMatchObject({ status: 307, headers: { location: './status/' } })
    expect((await client.request({ params: paramsOf('/internal/status/metrics') })).body.toString()).toMatch(/^# (?:TYPE|HELP) /)
    for (const path of ['/', '/internal', '/internal/statuses', '/status.json']) expect(await ask(client, path)).toBe('200 done')
  })

  it('that is not given leaves every path to the app', async () => {
    await start([app])
    const client = await connect()
    for (const path of ['/status', '/status/status.json', '/status.json', '/metrics']) expect(await ask(client, path)).toBe('200 done')
  })
})

describe('max-lifetime', () => {
  it('has a worker replaced that is so old, though it has nothing to do', async () => {
    const command = await start([app, '--max-lifetime', '1s', '--jitter', '0'])
    const [first] = await workers()
    const line = await command.logged('worker has reached max-lifetime')
    expect(line).toMatchObject({ limit: 'max-lifetime', value: 1000, pid: first?.pid })
    expect(line['reached']).toBeGreaterThanOrEqual(1000)
    while (!(await workers()).some(({ state, pid }) => state === 'ready' && pid !== first?.pid)) await turn()
    const client = await connect()
    expect(await ask(client, '/')).toBe('200 done')
  })
})

describe('balance', () => {
  /** Two workers, of which the first has all connections. @returns their clients */
  async function uneven(name: string, ...options: string[]): Promise<FastCgiClient[]> {
    await start([ANSWERING, '--workers', '2', ...options], name)
    const [, second] = await workers(name)
    if (second === undefined) throw new Error('no second worker')
    process.kill(second.pid, 'SIGSTOP')
    while (!/^State:\s+T/m.test(readFileSync(`/proc/${String(second.pid)}/status`, 'latin1'))) await turn()
    const all = await Promise.all(Array.from({ length: 6 }, () => kept(name)))
    process.kill(second.pid, 'SIGCONT')
    return all
  }

  it('has a worker let connections go that has all of them, and false has it keep them', async () => {
    const [off, on] = await Promise.all([uneven('off.sock', '--balance', 'false'), uneven('on.sock')])
    let isOver = false
    const loads = [...off, ...on].map(async (client) => {
      while (!isOver) await client.request({ params: { ...paramsOf('/work?3'), ...ASKED } })
    })
    const released = async (name: string): Promise<number> => (await workers(name)).reduce((sum, { report }) => sum + (report?.released ?? 0), 0)
    while (await released('on.sock') === 0) await turn()
    const told = await workers('off.sock')
    isOver = true
    await Promise.all(loads)
    expect(on.some(({ goodbyes }) => goodbyes.length > 0)).toBe(true)
    expect(off.flatMap(({ goodbyes }) => goodbyes)).toEqual([])
    expect(told.map(({ report }) => [report?.connections, report?.released])).toEqual([[6, 0], [0, 0]])
    expect(told[0]?.report?.requests).toBeGreaterThan(10)
  })
})

describe('linger', () => {
  it('is how long a worker that was replaced leaves an idle connection open that the web server does not close when it is asked', async () => {
    await start([app, '--linger', '1s'])
    const client = await kept()
    await reload()
    await client.until(() => client.goodbyes.length > 0)
    const asked = performance.now()
    await client.whenClosed()
    const lasted = performance.now() - asked
    // This process may hear of the first moment late, but not of the second one early.
    expect(lasted).toBeGreaterThan(500)
    expect(lasted).toBeLessThan(9000)
  })

  it('of 0 has it closed at once', async () => {
    await start([app, '--linger', '0'])
    const client = await kept()
    await reload()
    await client.whenClosed()
    expect(client.goodbyes).toEqual([])
  })

  it('does not hold up a stop: new processes may be waiting for its end', async () => {
    const command = await start([app, '--linger', '10m', '--stop-timeout', '10m'])
    const client = await kept()
    expect(await command.stop()).toMatchObject({ code: 0 })
    await client.whenClosed()
    expect(client.goodbyes).not.toEqual([])
  })
})

describe('drain-timeout', () => {
  it('cuts off what a worker that was replaced has not answered by then, and not before', async () => {
    const command = await start([app, '--drain-timeout', '1s'])
    const client = await connect()
    const answer = client.request({ params: paramsOf('/never') }).catch((error: unknown) => error)
    await command.child.line('asked /never')
    const [old] = await workers()
    await reload()
    const { time } = await command.logged('reloaded')
    expect(await answer).toMatchObject({ message: expect.stringContaining('closed before END_REQUEST') })
    while ((await workers()).some(({ pid }) => pid === old?.pid)) await turn()
    const closed = command.child.lines.filter((line) => line.startsWith('closed ')).map((line) => Number(line.slice('closed '.length))).at(-1) ?? 0
    // The worker was told shortly before the log was.
    expect(closed - Number(time)).toBeGreaterThan(500)
    expect(closed - Number(time)).toBeLessThan(30_000)
  })
})
