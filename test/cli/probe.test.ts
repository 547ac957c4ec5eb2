/** `express-responder check --live` and `--ready`: the exit status that an exec probe goes by, and the line that says why. */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { createServer as createNetServer, type AddressInfo, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { createServer } from 'express-responder'
import { descendants } from '../../bench/cpu.js'
import { ANSWERING, Command, runCommand } from '../workers/command.js'

let directory: string
let socket: string
let command: Command | undefined
let server: Server | undefined

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'probe-'))
  socket = join(directory, 'app.sock')
})

afterEach(async () => {
  await command?.kill()
  command = undefined
  server?.close()
  server = undefined
  rmSync(directory, { recursive: true })
})

const statusSocket = (): string => join(directory, 'status.sock')

async function started(...options: string[]): Promise<Command> {
  command = new Command([ANSWERING, '--socket', socket, '--status-socket', statusSocket(), ...options])
  await command.logged('listening')
  return command
}

async function listening(made: Server, ...where: unknown[]): Promise<AddressInfo> {
  server = made
  const listen: unknown = Reflect.get(made, 'listen')
  if (typeof listen === 'function') Reflect.apply(listen, made, where)
  await once(made, 'listening')
  return made.address() as AddressInfo
}

const yes = { code: 0, stdout: '', stderr: '' }
const no = (text: string): object => ({ code: 1, stdout: '', stderr: expect.stringMatching(new RegExp(`^express-responder: .*${text}.*\n$`)) })
const wrongUse = (text: string): object => ({ code: 2, stdout: '', stderr: expect.stringMatching(new RegExp(`^express-responder: .*${text}.*\n$`)) })

describe('a program that the command runs', () => {
  it('lives, and with --probes it is ready, on its socket and on the status socket', async () => {
    await started('--probes')
    for (const where of [socket, `unix:${socket}`, statusSocket()]) {
      expect(await runCommand(['check', '--live', where])).toEqual(yes)
      expect(await runCommand(['check', '--ready', where])).toEqual(yes)
    }
  })

  it('lives without --probes, and the status socket tells whether it is ready', async () => {
    await started()
    expect(await runCommand(['check', '--live', socket])).toEqual(yes)
    expect(await runCommand(['check', '--ready', socket])).toEqual(no('--probes'))
    expect(await runCommand(['check', '--ready', statusSocket()])).toEqual(yes)
  })

  it('does not live while its workers stand still, and lives again', async () => {
    const { child: { process: { pid = NaN } } } = await started('--workers', '2')
    const workers = descendants(pid)
    expect(workers).toHaveLength(2)
    for (const worker of workers) process.kill(worker, 'SIGSTOP')
    expect(await runCommand(['check', '--live', socket, '--timeout', '300ms'])).toEqual(no('no answer within 300 ms'))
    for (const worker of workers) process.kill(worker, 'SIGCONT')
    expect(await runCommand(['check', '--live', socket])).toEqual(yes)
  })

  it('lives and is not ready while it drains', async () => {
    const { child } = await started('--probes', '--drain-delay', '1m')
    child.process.kill('SIGTERM')
    await command?.logged('stopping')
    expect(await runCommand(['check', '--live', socket])).toEqual(yes)
    expect(await runCommand(['check', '--ready', socket])).toEqual(no('not ready: draining'))
    expect(await runCommand(['check', '--ready', statusSocket()])).toEqual(no('not ready: draining'))
  })

  it('does not live once it has ended, nor where it is killed and its socket has stayed', async () => {
    const { child } = await started()
    child.process.kill('SIGKILL')
    await child.ended
    // The workers end as their primary is gone.
    let answer = await runCommand(['check', '--live', socket])
    while (answer.code === 0) answer = await runCommand(['check', '--live', socket])
    expect(answer).toEqual(no('ECONNREFUSED'))
    rmSync(socket)
    expect(await runCommand(['check', '--live', socket])).toEqual(no('ENOENT'))
  })
})

describe('what listens at the place', () => {
  it('may be a server in a script, on a port', async () => {
    const { port } = await listening(createServer((_request, response) => { response.end('hello') }), 0, '127.0.0.1')
    for (const place of [String(port), `:${String(port)}`, `127.0.0.1:${String(port)}`, `localhost:${String(port)}`]) {
      expect(await runCommand(['check', '--live', place])).toEqual(yes)
    }
    expect(await runCommand(['check', '--ready', String(port)])).toEqual(no('--probes'))
  })

  it('may speak HTTP, close at once, or never answer', async () => {
    const http = createHttpServer((_request, response) => { response.end('hello') })
    const { port } = await listening(http, 0, '127.0.0.1')
    expect(await runCommand(['check', '--live', String(port)])).toEqual(no('speaks HTTP'))
    http.close()
    await listening(createHttpServer((_request, response) => { response.end('hello') }), socket)
    expect(await runCommand(['check', '--live', socket])).toEqual(no('speaks HTTP'))
    server?.close()
    const closing = await listening(createNetServer((connection) => { connection.end() }), 0, '127.0.0.1')
    expect(await runCommand(['check', '--live', String(closing.port)])).toEqual(no('closed without an answer'))
    server?.close()
    const silent = await listening(createNetServer((connection) => { connection.on('error', () => undefined) }), 0, '127.0.0.1')
    expect(await runCommand(['check', '--ready', String(silent.port), '--timeout', '100ms'])).toEqual(no('no answer within 100 ms'))
  })
})

it.each([
  [['--live', ''], '--live is empty'],
  [['--live', 'x', '--ready', 'x'], 'two questions'],
  [[ANSWERING, '--live', 'x'], 'says nothing beside --live'],
  [['--live', 'x', '--max-rss', '1GB'], '--max-rss says nothing'],
  [['--live', 'x', '--timeout', 'soon'], '--timeout is .soon.'],
  [['--live', 'x', '--timeout', '0'], '--timeout is .0.'],
  [[ANSWERING, '--timeout', '1s'], 'timeout'],
])('ends with status 2 where it is used in a wrong way: %j', async (args, text) => {
  expect(await runCommand(['check', ...args])).toEqual(wrongUse(text))
})

it('says that a port is none', async () => {
  expect(await runCommand(['check', '--live', '99999'])).toEqual(no('cannot be connected to'))
})
