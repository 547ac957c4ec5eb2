/** `express-responder status` and `top` against a real status socket, in processes of their own. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { topFrame } from '../../lib/cli/top-frame.js'
import { StatusReporter } from '../../lib/status/status-reporter.js'
import { startStatusServer, type StatusServer } from '../../lib/status/status-server.js'
import { createServer as createFastCgiServer } from 'express-responder'
import { readOpenMetrics } from '../status/open-metrics-reader.js'
import { FakePool, pool, report, sources, worker } from '../status/pool.js'

const program = fileURLToPath(new URL('programs/status-cli.js', import.meta.url))
let directory: string
let socket: string
let observer: FakePool
let reporter: StatusReporter
let server: StatusServer | undefined

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'cli-'))
  socket = join(directory, 'status.sock')
  observer = new FakePool()
  reporter = new StatusReporter({ observer, backlog: () => ({ waiting: 3, limit: 511 }) })
})

afterEach(async () => {
  await server?.close()
  server = undefined
  reporter.close()
  rmSync(directory, { recursive: true })
})

interface Result { code: number | null; stdout: string; stderr: string }

async function run(args: readonly string[], { env = {}, command = [process.execPath] }: { env?: NodeJS.ProcessEnv; command?: readonly string[] } = {}): Promise<Result> {
  const [file = '', ...before] = command
  const child = spawn(file, [...before, program, ...args], { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (chunk) => { stdout += String(chunk) })
  child.stderr.on('data', (chunk) => { stderr += String(chunk) })
  const [code] = await once(child, 'close') as [number | null]
  return { code, stdout, stderr }
}

describe('status', () => {
  it('prints the status as text, in full, as JSON and as metrics', async () => {
    server = await startStatusServer({ socket, reporter })
    const [text, full, json, metrics] = await Promise.all([[], ['--full'], ['--json'], ['--metrics']].map((flags) => run(['status', '--status-socket', socket, ...flags])))
    expect(text).toMatchObject({ code: 0, stderr: '', stdout: expect.stringMatching(/^address: +\/run\/app\/app\.sock\n/) })
    expect(full?.stdout).toMatch(/^pid: +1001$/m)
    expect(JSON.parse(json?.stdout ?? '')).toMatchObject({ state: 'ready' })
    expect(readOpenMetrics(metrics?.stdout ?? '').size).toBeGreaterThan(20)
  })

  it('finds the socket by EXPRESS_RESPONDER_STATUS_SOCKET', async () => {
    server = await startStatusServer({ socket, reporter })
    expect(await run(['status'], { env: { EXPRESS_RESPONDER_STATUS_SOCKET: socket } })).toMatchObject({ code: 0, stderr: '' })
  })

  it.each([
    [[], '--status-socket'],
    [['--status-socket', 'x', '--json', '--full'], '--json'],
    [['--status-socket', 'x', '--jsn'], '--jsn'],
  ])('ends with status 2 where it is used in a wrong way: %j', async (args, word) => {
    expect(await run(['status', ...args])).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(word) })
  })

  it.each<[string, () => void | Promise<void>, RegExp]>([
    ['there is no socket', () => undefined, /There is no such socket: .*Start it with --status-socket.*ENOENT/],
    ['a file stands there', () => { writeFileSync(socket, '') }, /This is a file and no socket\./],
    ['nobody listens any more', () => { spawnSync(process.execPath, ['-e', `require('net').createServer().listen(${JSON.stringify(socket)}, () => process.kill(process.pid, 'SIGKILL'))`]) }, /Nobody listens on the socket: .*Start it again.*ECONNREFUSED/],
  ])('ends with status 1 and the remedy where %s', async (_, arrange, message) => {
    await arrange()
    const { code, stdout, stderr } = await run(['status', '--status-socket', socket])
    expect(stderr).toMatch(message)
    expect(stderr).toContain('docs/reference/errors.md#err_fcgi_status_socket')
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  })

  it.each(['FastCGI', 'nothing known'])('ends with status 1 where the socket speaks %s', async (what) => {
    const other = what === 'FastCGI' ? createFastCgiServer((_request, response) => { response.end() }) : createServer((client) => { client.end('hello\n') })
    other.on('warning', () => undefined)
    other.on('clientError', () => undefined)
    other.listen(socket)
    await once(other, 'listening')
    const { code, stderr } = await run(['status', '--status-socket', socket])
    expect(stderr).toMatch(/Give the path of --status-socket, not that of the socket that the web server connects to/)
    expect(code).toBe(1)
    other.close()
  })

  const isRoot = process.getuid?.() === 0
  it.each(isRoot ? ['nobody'] : [])('ends with status 1 where the user may not connect (as %s)', async (user) => {
    server = await startStatusServer({ socket, reporter })
    chmodSync(directory, 0o755)
    const { code, stderr } = await run(['status', '--status-socket', socket], { command: ['setpriv', `--reuid=${user}`, '--regid=nogroup', '--clear-groups', process.execPath] })
    expect(stderr).toMatch(/Permission denied: the socket is for its owner and its group alone \(uid 0, gid 0, mode 0660\)\. Ask as one of them, such as with sudo/)
    expect(code).toBe(1)
  })
})

describe('top', () => {
  it('prints one frame where there is no terminal', async () => {
    server = await startStatusServer({ socket, reporter })
    const { code, stdout, stderr } = await run(['top', '--status-socket', socket])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/^\/run\/app\/app\.sock {2}ready {2}up /)
    expect(stdout).toMatch(/^ *WORKER +PID +STATE/m)
    expect(stdout).toMatch(/^ +1 +1001 +ready/m)
    // eslint-disable-next-line no-control-regex
    expect(stdout).not.toMatch(/\u001b/)
  })

  it('on a terminal shows frames until q is pressed, and leaves the terminal as it was', async () => {
    server = await startStatusServer({ socket, reporter })
    // `script` gives it a terminal.
    const child = spawn('script', ['-qefc', `stty rows 24 cols 100; '${process.execPath}' '${program}' top --status-socket '${socket}'`, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] })
    let seen = ''
    const frames = async (count: number): Promise<void> => {
      while (seen.split('\u001b[H').length <= count) seen += String((await once(child.stdout, 'data') as [Buffer])[0])
    }
    await frames(1)
    observer.now = pool({ workers: [worker({ report: report({ active: 77 }) })] })
    await frames(2)
    child.stdout.on('data', (chunk) => { seen += String(chunk) })
    child.stdin.write('q')
    expect(await once(child, 'close')).toEqual([0, null])
    expect(seen).toContain('\u001b[?1049h\u001b[?25l')
    expect(seen).toContain('active 77')
    expect(seen.trimEnd().endsWith('\u001b[?25h\u001b[?1049l')).toBe(true)
  })

  it('ends with status 1 where nobody answers', async () => {
    expect(await run(['top', '--status-socket', socket])).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('There is no such socket') })
  })
})

describe('a frame', () => {
  it('fits the terminal, tells rates since the frame before, and holds no control characters of clients', async () => {
    observer.told = () => sources({ slowRequests: [{ threshold: 1000, total: 1, running: [{ age: 61_000, method: 'GET', path: '/a\u001b[2Jb', route: '' }] }] })
    const before = await reporter.snapshot()
    const after = { ...before, time: before.time + 2000, totals: { ...before.totals, serverErrors: before.totals.serverErrors + 5 } }
    const lines = topFrame(after, before, { columns: 200, rows: 40 })
    expect(lines.join('\n')).toContain('server errors 11 (2.5/s)')
    expect(lines.join('\n')).toContain('61.0 s  worker 0  GET /a?[2Jb')
    const small = topFrame(after, before, { columns: 30, rows: 5 })
    expect(small).toHaveLength(5)
    expect(Math.max(...small.map((line) => line.length))).toBe(30)
  })

  it('names a worker that is silent', async () => {
    observer.now = pool({ workers: [worker({ reportedAt: Date.now() - 12_000 })] })
    expect(topFrame(await reporter.snapshot(), undefined, { columns: 200, rows: 40 }).join('\n')).toContain('silent 12s')
  })
})
