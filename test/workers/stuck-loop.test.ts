/** The watch over the event loop of a real process that is really stuck: what is reported, and what is not. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { LoopMessage, StuckReport } from '../../lib/workers/stuck-report.js'
import { FastCgiClient } from '../support/fastcgi-client.js'
import { paramsOf, start, type Child } from '../process/support.js'

const PROGRAM = fileURLToPath(new URL('programs/stuck.js', import.meta.url))
const WATCH = new URL('../../lib/workers/stuck-loop.js', import.meta.url)
/** Milliseconds. A busy machine may hold an event loop up for a shorter time. */
const TIMEOUT = 400

let directory: string
let files = 0
const children: Child[] = []
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'er-'))
})
afterAll(() => {
  rmSync(directory, { recursive: true, force: true })
})

async function endAll(): Promise<void> {
  for (const child of children.splice(0)) {
    child.process.kill('SIGKILL')
    await child.ended
  }
}

/** A file that does not exist yet. */
function newFile(): string {
  return join(directory, `release.${String(files++)}`)
}

/** What a process writes to descriptor 3, in its order. */
async function* messagesOf(child: Child): AsyncGenerator<LoopMessage> {
  for await (const line of createInterface({ input: child.process.stdio[3] as Readable })) yield JSON.parse(line) as LoopMessage
}

/** The reports among that. */
async function* reportsOf(child: Child): AsyncGenerator<StuckReport> {
  for await (const message of messagesOf(child)) if (message.type === 'stuck') yield message
}

/** A process that is watched, and a client of it. */
class Watched {
  readonly child: Child
  readonly path: string
  readonly #reports: AsyncIterator<StuckReport>

  constructor(child: Child, path: string) {
    this.child = child
    this.path = path
    this.#reports = reportsOf(child)
  }

  static async start(words: readonly string[] = [], execArgv: readonly string[] = [], env: NodeJS.ProcessEnv = process.env): Promise<Watched> {
    const path = `${newFile()}.sock`
    const stdio = ['ignore', 'pipe', 'pipe', 'pipe'] as const
    const child = start(process.execPath, [...execArgv, PROGRAM, path, String(TIMEOUT), ...words], { stdio: [...stdio], env })
    children.push(child)
    await child.line('listening')
    return new Watched(child, path)
  }

  async report(): Promise<StuckReport> {
    const { value } = await this.#reports.next() as IteratorResult<StuckReport, undefined>
    if (value === undefined) throw new Error('the process has reported nothing')
    return value
  }

  /** Asks for a URL; resolves with the body. */
  async ask(url: string): Promise<string> {
    const client = await FastCgiClient.connect(this.path)
    const { body } = await client.request({ params: paramsOf(url), keepConnection: false })
    return body.toString()
  }

  /** Asks for what gets stuck, lets it go on once that is reported, and returns the report and the answer. */
  async stuck(url: string): Promise<{ report: StuckReport, answer: string, url: string }> {
    const file = newFile()
    const whole = `${url}?file=${encodeURIComponent(file)}`
    const answer = this.ask(whole)
    const report = await this.report()
    writeFileSync(file, '')
    return { report, answer: await answer, url: whole }
  }
}

/** The names of the functions on the stack. */
function namesOf({ stack }: StuckReport): string[] {
  return (stack ?? []).map(({ functionName }) => functionName)
}

describe('an event loop that is stuck', () => {
  let watched: Watched
  beforeAll(async () => {
    watched = await Watched.start(['thread'])
  })
  afterAll(endAll)

  it('in a handler: is reported with its function and its route, each time', async () => {
    for (const id of [7, 8]) {
      const { report, answer, url } = await watched.stuck(`/api/sync/${String(id)}`)
      expect(answer).toBe('done')
      expect(report).toMatchObject({ type: 'stuck', native: false, request: { method: 'GET', url, route: '/api/sync/:id' } })
      expect(report.milliseconds).toBeGreaterThanOrEqual(TIMEOUT)
      expect(report.openRequests).toBeUndefined()
      const frame = report.stack?.find(({ functionName }) => functionName === 'spin')
      expect(frame?.url).toMatch(/^file:.*\/programs\/stuck\.js$/)
      expect(frame?.line).toBeGreaterThan(1)
      expect(namesOf(report)).toContain('#emitRequest')
    }
  })

  it.each([
    ['after an await', '/api/await/3', '/api/await/:id'],
    ['in a timer that has the response', '/api/timer/3', '/api/timer/:id'],
    ['deep in a recursion', '/deep', '/deep'],
    ['beside a string of 200 MB', '/strings', '/strings'],
  ])('%s: has the route', async (_, url, route) => {
    const { report, ...asked } = await watched.stuck(url)
    expect(report).toMatchObject({ native: false, request: { method: 'GET', url: asked.url, route } })
    expect(namesOf(report)).toContain('spin')
  })

  it('in code that knows no request: has those that are open', async () => {
    const one = await watched.stuck('/api/nested/1')
    const request = { method: 'GET', url: one.url, route: '/api/^\\/nested\\/\\d+$/' }
    expect(namesOf(one.report)).toContain('report')
    expect(one.report).toMatchObject({ request, openRequests: [request] })
    const client = await FastCgiClient.connect(watched.path)
    void client.request({ params: paramsOf('/wait') }).catch(() => undefined)
    const two = await watched.stuck('/api/nested/2')
    expect(two.report.request).toBeNull()
    expect(two.report.openRequests?.map(({ route }) => route).sort()).toEqual([request.route, '/wait'])
    await client.destroy()
  })

  it('in a job of no request: has none', async () => {
    const { report } = await watched.stuck('/job')
    expect(report).toMatchObject({ native: false, request: null, openRequests: [] })
    expect(namesOf(report)).toContain('spin')
  })

  it('in a handler of another HTTP server: has its request', async () => {
    const port = await watched.ask('/port')
    const file = newFile()
    const answer = fetch(`http://127.0.0.1:${port}/own?file=${file}`)
    const report = await watched.report()
    writeFileSync(file, '')
    expect(report.request).toEqual({ method: 'GET', url: `/own?file=${file}` })
    expect(await (await answer).text()).toBe('done')
  })

  it('runs no code of the app when it is looked at', async () => {
    const { report, answer } = await watched.stuck('/traps')
    expect(report.request?.route).toBe('/traps')
    expect(answer).toBe('0')
  })

  it('in native code: says so, and the process goes on', async () => {
    for (const url of ['/exec', '/exec']) {
      const { report, answer } = await watched.stuck(url)
      expect(report).toMatchObject({ native: true, stack: null, request: null })
      expect(answer).toBe('done')
    }
  })

  it('in one short native call after the other: has the stack', async () => {
    const { report } = await watched.stuck('/exec-again')
    expect(namesOf(report)).toContain('execSync')
    expect(report.request?.route).toBe('/exec-again')
  })

  it('is not reported where the whole process was stopped', async () => {
    const { child: { process: { pid = 0 } } } = watched
    for (let time = 0; time < 2; time++) {
      process.kill(pid, 'SIGSTOP')
      await new Promise((resolve) => setTimeout(resolve, 2 * TIMEOUT))
      process.kill(pid, 'SIGCONT')
      expect(await watched.ask('/port')).toMatch(/^\d+$/)
    }
    // The next report is of what comes next.
    expect((await watched.stuck('/api/sync/9')).report.request?.route).toBe('/api/sync/:id')
  })

  it('is not reported where a debugger holds it at a breakpoint, which it stays at', async () => {
    const file = newFile()
    let isAnswered = false
    const answer = watched.ask(`/breakpoint?file=${encodeURIComponent(file)}`).then((text) => {
      isAnswered = true
      return text
    })
    await new Promise((resolve) => watched.child.process.stderr?.on('data', (text: Buffer) => {
      if (text.includes('paused by a debugger')) resolve(undefined)
    }))
    await new Promise((resolve) => setTimeout(resolve, 3 * TIMEOUT))
    expect(isAnswered).toBe(false)
    writeFileSync(file, '')
    expect(await answer).toBe('done')
    expect((await watched.stuck('/api/sync/9')).report.request?.route).toBe('/api/sync/:id')
  })
})

describe('a watched process', () => {
  afterEach(endAll)

  it.each([
    ['in a regular expression', '/regex', false],
    ['in a synchronous derivation of a key', '/derive', true],
  ])('that is stuck %s is reported', async (_, url, native) => {
    const watched = await Watched.start()
    void watched.ask(url).catch(() => undefined)
    const report = await watched.report()
    expect(report.native).toBe(native)
    expect(report.request?.route).toBe(native ? undefined : url)
  })

  it('tells at a third of the time that it stands still, and that it turns again, if it does', async () => {
    const path = `${newFile()}.sock`
    const child = start(process.execPath, [PROGRAM, path, '6000'], { stdio: ['ignore', 'pipe', 'pipe', 'pipe'] })
    children.push(child)
    await child.line('listening')
    const messages = messagesOf(child)
    const file = newFile()
    const answer = FastCgiClient.connect(path).then((client) => client.request({ params: paramsOf(`/api/sync/1?file=${file}`), keepConnection: false }))
    const { value } = await messages.next() as IteratorResult<LoopMessage, undefined>
    expect(value).toMatchObject({ type: 'standing' })
    writeFileSync(file, '')
    expect((await messages.next()).value).toEqual({ type: 'turning' })
    expect((await answer).body.toString()).toBe('done')
  })

  it('with recovery() has the request of code that knows none', async () => {
    const watched = await Watched.start(['recovery'])
    void watched.ask('/wait').catch(() => undefined)
    const { report, url } = await watched.stuck('/api/nested/2')
    expect(report.openRequests).toBeUndefined()
    expect(report.request?.url).toBe(url)
  })

  it('is CommonJS under --inspect, and preloads nothing into the thread', async () => {
    const preload = `${newFile()}.cjs`
    writeFileSync(preload, 'require(\'node:fs\').writeSync(1, `loaded, main thread: ${require(\'node:worker_threads\').isMainThread}\\n`)')
    const program = `${newFile()}.cjs`
    writeFileSync(program, `
      const { watchEventLoop } = require(${JSON.stringify(fileURLToPath(WATCH))})
      watchEventLoop({ timeout: ${String(TIMEOUT)}, report: 3 })
      function job() { for (;;); }
      setTimeout(job, 300)`)
    const args = ['--inspect=127.0.0.1:0', '--require', preload, program]
    const child = start(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe', 'pipe'], env: { ...process.env, NODE_OPTIONS: `--require=${preload}` } })
    children.push(child)
    const { value } = await reportsOf(child).next() as IteratorResult<StuckReport, undefined>
    expect(value?.stack?.[0]).toMatchObject({ functionName: 'job', line: 4 })
    expect(value?.stack?.[0]?.url).toContain('.cjs')
    expect(value).toMatchObject({ native: false, request: null, openRequests: [] })
    expect([...new Set(child.lines)]).toEqual(['loaded, main thread: true'])
  })

  it('ends as soon as nothing else is left to do, and after stop()', async () => {
    const program = `${newFile()}.mjs`
    writeFileSync(program, `
      import { watchEventLoop } from ${JSON.stringify(WATCH.href)}
      watchEventLoop({ timeout: 30000, report: 3 }).stop()
      watchEventLoop({ timeout: 30000, report: 3 })
      console.log('watched')`)
    const child = start(process.execPath, [program], { stdio: ['ignore', 'pipe', 'pipe', 'pipe'] })
    children.push(child)
    expect(await child.ended).toEqual({ code: 0, signal: null, stderr: '' })
  })

  it('serves on where Node\'s permission model forbids the thread', async () => {
    const flag = process.allowedNodeEnvironmentFlags.has('--permission') ? '--permission' : '--experimental-permission'
    const program = `${newFile()}.mjs`
    writeFileSync(program, `
      import { watchEventLoop } from ${JSON.stringify(WATCH.href)}
      process.on('warning', ({ code, message }) => { if (code !== undefined) console.log(code, message) })
      watchEventLoop({ timeout: 30000, report: 3 })
      setTimeout(() => console.log('goes on'), 10)`)
    const child = start(process.execPath, ['--no-warnings', flag, '--allow-fs-read=*', program], { stdio: ['ignore', 'pipe', 'pipe', 'pipe'] })
    children.push(child)
    expect(await child.line('ERR_FCGI_LOOP_WATCH')).toContain('is not watched')
    await child.line('goes on')
    expect(await child.ended).toMatchObject({ code: 0 })
  })
})
