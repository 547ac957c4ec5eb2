/** How the command is operated: reloads at bad moments, logs that nobody reads, terminals that close, systemd's variables, what ps shows. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, it } from '@jest/globals'
import { askOverSocket } from '../../lib/cli/socket-client.js'
import { ask } from '../process/support.js'
import { FastCgiClient } from '../support/fastcgi-client.js'
import { ANSWERING, Command, runCommand } from './command.js'

const MAIN = fileURLToPath(new URL('../../lib/cli/main.js', import.meta.url))
const LOADING = fileURLToPath(new URL('programs/loading.js', import.meta.url))
const hasScript = spawnSync('script', ['--version']).status === 0

let directory: string
let socket: string
let command: Command | undefined

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'operation-'))
  socket = join(directory, 'app.sock')
})
afterEach(async () => {
  await command?.kill()
  command = undefined
  await rm(directory, { recursive: true })
})

function start(args: readonly string[], environment: Readonly<Record<string, string>> = {}): Command {
  command = new Command([...args, '--socket', socket], environment)
  return command
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await delay(20)
}

/** The process with this number, as ps shows it; undefined where there is none. */
function titleOf(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${String(pid)}/cmdline`, 'utf8').replace(/\0+$/, '').replaceAll('\0', ' ')
  } catch {
    return undefined
  }
}

it('workers get none of systemd\'s variables, and ps tells them from the primary', async () => {
  const app = join(directory, 'app.cjs')
  writeFileSync(app, 'module.exports = (request, response) => { response.end(JSON.stringify({ pid: process.pid, names: Object.keys(process.env) })) }')
  const running = start([app], {
    NOTIFY_SOCKET: join(directory, 'nobody'), WATCHDOG_USEC: '60000000', WATCHDOG_PID: '1', LISTEN_PID: '1', LISTEN_FDS: '1', LISTEN_FDNAMES: 'web', OF_THE_APP: 'yes',
  })
  await running.logged('listening')
  const client = await FastCgiClient.connect(socket)
  const { pid, names } = JSON.parse((await ask(client, '/', false)).slice('200 '.length)) as { pid: number, names: string[] }
  expect(names).toContain('OF_THE_APP')
  expect(names.filter((name) => /^(?:NOTIFY|WATCHDOG|LISTEN)_/.test(name))).toEqual([])
  expect(titleOf(pid)).toBe('express-responder worker 0: app.cjs')
  expect(titleOf(running.child.process.pid ?? 0)).toBe('express-responder app.cjs')
})

it('reloads that are asked for while one is under way are one reload', async () => {
  const running = start([ANSWERING])
  await running.logged('listening')
  const answers = await Promise.all(Array.from({ length: 5 }, () => askOverSocket(`${socket}.control`, { method: 'POST', path: '/reload' })))
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200])
  expect(running.log.filter(({ msg }) => msg === 'reloading')).toHaveLength(2)
})

it('a reload that is asked for during the start begins after it, and one during a stop is refused', async () => {
  const wish = join(directory, 'wish')
  writeFileSync(wish, 'wait')
  const running = start([LOADING, '--boot-timeout', '10m'], { LOADING: wish })
  await running.child.line('loading ')
  running.child.process.kill('SIGHUP')
  writeFileSync(wish, 'go')
  await running.logged('reloaded')
  expect(running.log.map(({ msg }) => msg).filter((msg) => /^(?:listening|reloading|reloaded)/.test(msg))).toEqual([`listening on ${socket}`, 'reloading', 'reloaded'])
  const client = await FastCgiClient.connect(socket)
  ask(client, '/never').catch(() => undefined)
  await until(() => existsSync(`${socket}.control`))
  running.child.process.kill('SIGTERM')
  await running.logged('stopping')
  const answer = await askOverSocket(`${socket}.control`, { method: 'POST', path: '/reload' })
  expect(answer.status).toBe(500)
  expect(answer.body).toContain('the process is stopping')
  expect(running.log.filter(({ msg }) => msg === 'reloading')).toHaveLength(1)
})

it('goes on where whoever read its log has ended', async () => {
  const running = start([ANSWERING])
  await running.logged('listening')
  running.child.process.stdout?.destroy()
  expect(await runCommand(['reload', '--socket', socket])).toMatchObject({ code: 0 })
  expect(await runCommand(['reload', '--socket', socket])).toMatchObject({ code: 0 })
  const { code, stderr } = await running.stop()
  expect(stderr).toContain('ERR_FCGI_LOG_FILE')
  expect(code).toBe(0)
})

it('reloads and stops where the pipe of its log is full and nobody reads it', async () => {
  const pidFile = join(directory, 'pid')
  const script = `{ head -c 65536 /dev/zero; echo $BASHPID > '${pidFile}'; exec '${process.execPath}' '${MAIN}' '${ANSWERING}' --socket '${socket}'; } | sleep 600`
  const shell = spawn('bash', ['-c', script], { stdio: 'ignore', detached: true })
  try {
    await until(() => existsSync(`${socket}.control`))
    expect(await runCommand(['reload', '--socket', socket])).toMatchObject({ code: 0 })
    const pid = Number(readFileSync(pidFile, 'utf8'))
    process.kill(pid, 'SIGTERM')
    await until(() => titleOf(pid) === undefined || titleOf(pid) === '')
    expect(existsSync(socket)).toBe(false)
  } finally {
    if (shell.pid !== undefined) process.kill(-shell.pid, 'SIGKILL')
  }
})

;(hasScript ? it : it.skip)('stops where the terminal is closed that it was started on (script of util-linux)', async () => {
  const terminal = spawn('script', ['-qec', `exec '${process.execPath}' '${MAIN}' '${ANSWERING}' --socket '${socket}'`, '/dev/null'], { stdio: ['pipe', 'ignore', 'ignore'] })
  await until(() => existsSync(`${socket}.control`))
  const ended = once(terminal, 'exit')
  terminal.kill('SIGKILL')
  await ended
  await until(() => !existsSync(socket) && !existsSync(`${socket}.control`))
})

it('a control socket whose path would be too long does not keep the app from serving, and reload names the way out', async () => {
  socket = join(directory, 'a'.repeat(105 - Buffer.byteLength(directory)))
  const running = start([ANSWERING])
  await running.logged('listening')
  expect((await running.logged(`no socket at ${socket}.control`)).msg).toContain('Give it a --control-socket of its own')
  const { code, stderr } = await runCommand(['reload', '--socket', socket])
  expect(stderr).toContain('longer than the 107 bytes')
  expect(stderr).toContain('--control-socket')
  expect(code).toBe(1)
})

it('one that replaces another has its name, its control socket and its status socket, also when the other has stopped', async () => {
  const status = join(directory, 'status.sock')
  const first = start([ANSWERING, '--status-socket', status])
  await first.logged('listening')
  const second = new Command([ANSWERING, '--status-socket', status, '--socket', socket, '--replace'])
  try {
    await second.logged('listening')
    expect(await first.stop()).toMatchObject({ code: 0 })
    expect(existsSync(socket)).toBe(true)
    expect(await runCommand(['reload', '--socket', socket])).toMatchObject({ code: 0 })
    await second.logged('reloaded')
    expect(await runCommand(['status', '--status-socket', status])).toMatchObject({ code: 0 })
    expect(await second.stop()).toMatchObject({ code: 0 })
    expect([socket, `${socket}.control`, status].filter((path) => existsSync(path))).toEqual([])
  } finally {
    await second.kill()
  }
})
