/** What systemd is told, by a real datagram socket that stands for systemd's. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describeIfInstalled } from '../proxies/support/installed.js'
import { findProgram } from '../proxies/support/programs.js'
import { descendants } from '../../bench/cpu.js'
import { start, type Child } from '../process/support.js'
import { ANSWERING, COMMAND } from './command.js'

const PROGRAM = fileURLToPath(new URL('programs/notify.js', import.meta.url))

/** Prints each datagram as a line of JSON: its sender and its text. Answers the barrier that systemd-notify waits for, by closing it. */
const RECEIVER = `
import array, json, os, socket, struct, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
s.bind(sys.argv[1])
print('bound', flush=True)
while True:
  text, ancillary, _, _ = s.recvmsg(65536, 1024)
  pid = 0
  for level, kind, data in ancillary:
    if kind == socket.SCM_CREDENTIALS: pid = struct.unpack('iII', data)[0]
    if kind == socket.SCM_RIGHTS:
      for fd in array.array('i', data): os.close(fd)
  print('message ' + json.dumps({ 'pid': pid, 'lines': text.decode().strip().split('\\n') }), flush=True)
`

/** Becomes a program that has a connected datagram socket as the descriptor \`notify\`, and a socket that listens before it. */
const WITH_DESCRIPTORS = `
import os, socket, sys
listening = socket.socket(socket.AF_UNIX)
listening.bind(sys.argv[1] + '.listening')
listening.listen()
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.connect(sys.argv[1])
first, second = os.dup(listening.fileno()), os.dup(notify.fileno())
os.dup2(first, 3)
os.dup2(second, 4)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='2', LISTEN_FDNAMES='web:notify')
os.execvp(sys.argv[2], sys.argv[2:])
`

interface Message {
  readonly pid: number
  readonly lines: readonly string[]
}

describe('systemd', () => {
  let directory: string
  let path: string
  let receiver: Child
  const children: Child[] = []

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'er-'))
    path = join(directory, 'notify')
    receiver = run('python3', ['-c', RECEIVER, path])
    await receiver.line('bound')
  })
  afterEach(async () => {
    for (const child of children.splice(0)) {
      child.process.kill('SIGKILL')
      await child.ended
    }
    rmSync(directory, { recursive: true, force: true })
  })

  function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Child {
    const child = start(command, args, { env: { ...process.env, NOTIFY_SOCKET: '', ...env } })
    children.push(child)
    return child
  }

  const withDescriptors = (args: readonly string[], env: NodeJS.ProcessEnv = {}): Child =>
    run('python3', ['-c', WITH_DESCRIPTORS, path, process.execPath, PROGRAM, ...args], env)

  /** All messages so far, once one has come that begins so. */
  async function messages(until: string): Promise<Message[]> {
    const isLast = (line: string): boolean => line.includes(JSON.stringify(until).slice(0, -1))
    while (!receiver.lines.some(isLast)) await new Promise((resolve) => receiver.process.stdout?.once('data', resolve))
    return receiver.lines.filter((line) => line.startsWith('message ')).map((line) => JSON.parse(line.slice('message '.length)) as Message)
  }

  function expectAll(all: readonly Message[]): void {
    expect(all.map(({ lines }) => lines)).toEqual([
      ['READY=1', 'STATUS=2 workers'],
      ['RELOADING=1', expect.stringMatching(/^MONOTONIC_USEC=\d+$/)],
      ['STATUS=one READY=0'],
      ['READY=1'],
      ['STOPPING=1', 'STATUS=ends'],
    ])
    const monotonic = Number(/\d+/.exec(all[1]?.lines[1] ?? '')?.[0])
    // Both are CLOCK_MONOTONIC, and the message is some seconds old at most.
    expect(Math.abs(Number(process.hrtime.bigint() / 1000n) - monotonic)).toBeLessThan(60_000_000)
  }

  it('is told by the descriptor that it has passed, by this very process and in order', async () => {
    const child = withDescriptors(['once'], { NOTIFY_SOCKET: path })
    await child.line('told')
    const all = await messages('STOPPING=1')
    expectAll(all)
    expect([...new Set(all.map(({ pid }) => pid))]).toEqual([child.process.pid])
    expect(child.lines).toEqual(['told'])
  })

  it('hears that the process lives, at half of the time, until it does not', async () => {
    const file = join(directory, 'stuck')
    const child = withDescriptors(['watchdog', file], { WATCHDOG_USEC: '200000' })
    expect(await child.line('interval')).toBe('interval 100')
    await messages('WATCHDOG=1')
    writeFileSync(file, '')
    child.process.kill('SIGTERM')
    const { code } = await child.ended
    expect(code).toBe(0)
    const all = await messages('STOPPING=1')
    expect(all.at(-1)?.lines).toEqual(['STOPPING=1', 'STATUS=ends'])
  })

  it.each([
    ['is meant for another process', { WATCHDOG_USEC: '200000', WATCHDOG_PID: '1' }],
    ['is not set', {}],
    ['is no number', { WATCHDOG_USEC: 'often' }],
  ])('hears nothing of that where WATCHDOG_USEC %s', async (_, env) => {
    const child = withDescriptors(['watchdog'], env)
    expect(await child.line('interval')).toBe('interval undefined')
  })

  it('is told by the command how many workers there are, each time that changes', async () => {
    const [socket, mode] = [join(directory, 'app.sock'), join(directory, 'mode')]
    writeFileSync(mode, '')
    const args = [COMMAND, ANSWERING, '--socket', socket, '--workers', '2', '--boot-timeout', '3s', '--log-level', 'silent']
    const child = run('python3', ['-c', WITH_DESCRIPTORS, path, process.execPath, ...args], { NOTIFY_SOCKET: path, APP_MODE: mode })
    expect((await messages('READY=1')).at(-1)?.lines).toEqual(['READY=1', `STATUS=2 workers on ${socket}`])
    // The next one does not answer.
    writeFileSync(mode, 'hangs')
    process.kill(descendants(child.process.pid ?? NaN)[0] ?? NaN, 'SIGKILL')
    expect((await messages('STATUS=1 worker')).at(-1)?.lines).toEqual([expect.stringMatching(/^STATUS=1 worker(?:, 1 starting,)? on /)])
    writeFileSync(mode, '')
    while (receiver.lines.at(-1)?.includes('STATUS=2 workers on') !== true) await new Promise((resolve) => receiver.process.stdout?.once('data', resolve))
    child.process.kill('SIGTERM')
    expect((await messages('STOPPING=1')).at(-1)?.lines).toEqual(['STOPPING=1', 'STATUS=stopping'])
  })

  it('is told nothing where it does not ask', async () => {
    const child = run(process.execPath, [PROGRAM, 'once'])
    await child.line('told')
    expect(await child.ended).toMatchObject({ code: 0, stderr: '' })
    expect(child.lines).toEqual(['told'])
    expect(receiver.lines).toEqual(['bound'])
  })

  it('that cannot be told becomes one warning', async () => {
    const child = run(process.execPath, [PROGRAM, 'once'], { NOTIFY_SOCKET: path, PATH: directory })
    await child.line('told')
    expect((await child.ended).code).toBe(0)
    expect(child.lines.filter((line) => line.startsWith('warning'))).toEqual([expect.stringMatching(/systemd-notify.*OpenFile=/)])
  })

  const systemdNotify = findProgram('systemd-notify')
  describeIfInstalled({ package: 'systemd', installed: systemdNotify !== undefined }, 'without a descriptor', () => {
    it('is told by systemd-notify, in order', async () => {
      const child = run(process.execPath, [PROGRAM, 'once'], { NOTIFY_SOCKET: path })
      await child.line('told')
      expect((await child.ended).code).toBe(0)
      expectAll((await messages('STOPPING=1')).filter(({ lines }) => lines[0] !== 'BARRIER=1'))
      expect(child.lines).toEqual(['told'])
    })

    it('is told by it also where the descriptor has been closed', async () => {
      const child = run('/bin/sh', ['-c', 'LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=notify exec "$@" 3<&-', 'sh', process.execPath, PROGRAM, 'once'], { NOTIFY_SOCKET: path })
      await child.line('told')
      expectAll((await messages('STOPPING=1')).filter(({ lines }) => lines[0] !== 'BARRIER=1'))
      expect(existsSync(path)).toBe(true)
    })
  })
})
