/** What the options of the command that say where it listens do; and exit status 3, where nobody can listen there. */
import { once } from 'node:events'
import { linkSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer, type AddressInfo, type ListenOptions, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { askOverSocket } from '../../lib/cli/socket-client.js'
import { freePort } from '../proxies/support/ports.js'
import { ask, start as startProcess, type Child } from '../process/support.js'
import { FastCgiClient, type ClientTarget } from '../support/fastcgi-client.js'
import { ANSWERING, COMMAND, Command } from './command.js'

const itAsRoot = process.getuid?.() === 0 ? it : it.skip
const LISTEN_STATUS = 3

let directory: string
let socket: string
let commands: Command[]

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'listening-'))
  socket = join(directory, 'app.sock')
  commands = []
})

afterEach(async () => {
  await Promise.all(commands.map((command) => command.kill()))
  await rm(directory, { recursive: true })
})

function begin(args: readonly string[], descriptor?: number): Command {
  const command = new Command([ANSWERING, '--control-socket', join(directory, `control-${String(commands.length)}`), ...args], {}, descriptor === undefined ? {} : { descriptor })
  commands.push(command)
  return command
}

async function start(args: readonly string[], descriptor?: number): Promise<Command> {
  const command = begin(args, descriptor)
  await command.logged('listening')
  return command
}

async function answers(target: ClientTarget): Promise<void> {
  const client = await FastCgiClient.connect(target)
  expect(await ask(client, '/', false)).toMatch(/^200 GET 0/)
  await client.destroy()
}

/** Ends with status 3, and the log says why in one line. */
async function refuses(args: readonly string[], reason: RegExp, descriptor?: number): Promise<void> {
  const command = begin(args, descriptor)
  expect(await command.child.ended).toEqual({ code: LISTEN_STATUS, signal: null, stderr: '' })
  expect(command.log).toEqual([expect.objectContaining({ level: 50, msg: expect.stringMatching(reason) })])
}

describe('the command ends with status 3 where', () => {
  it('the directory of the socket is missing', async () => {
    await refuses(['--socket', join(directory, 'missing', 'app.sock')], /^option socket: the directory \S+missing does not exist\. Create it/)
  })

  it('a file is in the place of the socket', async () => {
    writeFileSync(socket, '')
    await refuses(['--socket', socket], /exists and is no socket\. Move it away/)
    expect(statSync(socket).isFile()).toBe(true)
  })

  it('another process serves at the socket, which goes on', async () => {
    const first = await start(['--socket', socket])
    await refuses(['--socket', socket], /EADDRINUSE/)
    await answers(socket)
    expect(await first.stop()).toMatchObject({ code: 0 })
  })

  it('another process listens on the port', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    try {
      await refuses(['--port', String((other.address() as AddressInfo).port)], /EADDRINUSE/)
    } finally {
      other.close()
    }
  })

  it('two were started at once on one port, for the one that comes late; it blames no app', async () => {
    const port = await freePort()
    const both = [0, 1].map(() => begin(['--port', String(port)]))
    const late = await Promise.race(both.map(async (command) => {
      await command.child.ended
      return command
    }))
    expect(await late.child.ended).toMatchObject({ code: LISTEN_STATUS })
    expect(late.log.map(({ msg }) => msg)).toEqual([expect.stringMatching(/EADDRINUSE/)])
    expect(late.log[0]?.msg).not.toContain('app')
    await both.find((command) => command !== late)?.logged('listening')
    await answers(port)
  })

  it('the address is not this machine\'s', async () => {
    await refuses(['--host', '192.0.2.1', '--port', '9000'], /^nobody can listen on 192\.0\.2\.1:9000 \(EADDRNOTAVAIL\)/)
  })

  it('the name of the host is not known', async () => {
    await refuses(['--host', 'no such host', '--port', '9000'], /^option host: nobody knows an address of no such host \(E\w+\)\. Give /)
  })

  it('the descriptor is no socket, or is not open', async () => {
    await refuses(['--fd', '1'], /^option fd: descriptor 1 is (?:no socket|a socket that does not listen)/)
    await refuses(['--fd', '77'], /^option fd: descriptor 77 is not open/)
  })

  it('there is no such user or group', async () => {
    await refuses(['--socket', socket, '--owner', 'nobody-of-this-name'], /^option owner: there is no user 'nobody-of-this-name'/)
    await refuses(['--socket', socket, '--group', 'nobody-of-this-name'], /^option group: there is no group 'nobody-of-this-name'/)
  })
})

describe('the socket file', () => {
  const described = (): object => {
    const { mode, uid, gid } = statSync(socket)
    return { mode: (mode & 0o777).toString(8), uid, gid }
  }
  /** The numbers of a user or group, by a table of the system. */
  const numberOf = (table: 'passwd' | 'group', name: string): number =>
    Number(readFileSync(`/etc/${table}`, 'latin1').split('\n').map((line) => line.split(':')).find(([found]) => found === name)?.[2])

  it('has mode 0660 and belongs to whoever starts the command, where nothing else is asked for', async () => {
    await start(['--socket', socket])
    expect(described()).toEqual({ mode: '660', uid: process.getuid?.(), gid: process.getgid?.() })
  })

  it('has the mode that is asked for, also after a reload', async () => {
    const command = await start(['--socket', socket, '--mode', '0604'])
    expect(described()).toMatchObject({ mode: '604' })
    command.child.process.kill('SIGHUP')
    await command.logged('reloaded')
    expect(described()).toMatchObject({ mode: '604' })
  })

  itAsRoot('belongs to the user and the group that are asked for, by name and by number', async () => {
    await start(['--socket', socket, '--owner', 'daemon', '--group', 'mail', '--mode', '0600'])
    expect(described()).toEqual({ mode: '600', uid: numberOf('passwd', 'daemon'), gid: numberOf('group', 'mail') })
    socket = join(directory, 'other.sock')
    await start(['--socket', socket, '--owner', '12345', '--group', '23456'])
    expect(described()).toEqual({ mode: '660', uid: 12_345, gid: 23_456 })
  })
})

describe('backlog', () => {
  async function isConnected(client: Socket): Promise<boolean> {
    return once(client, 'connect').then(() => true, () => false)
  }

  async function status(): Promise<{ workers: { pid: number }[], backlog: { waiting: number, limit: number } }> {
    const { body } = await askOverSocket(join(directory, 'control-0'), { method: 'GET', path: '/status.json' })
    return JSON.parse(body) as Awaited<ReturnType<typeof status>>
  }

  it.each([3, 20])('of %d is how many connections wait while no worker accepts; later ones are answered once it does', async (backlog) => {
    await start(['--socket', socket, '--backlog', String(backlog)])
    const { workers: [worker], backlog: told } = await status()
    expect(told.limit).toBe(backlog)
    if (worker === undefined) throw new Error('no worker')
    process.kill(worker.pid, 'SIGSTOP')
    while (!/^State:\s+T/m.test(readFileSync(`/proc/${String(worker.pid)}/status`, 'latin1'))) await turn()
    const sockets = Array.from({ length: 40 }, () => connect(socket))
    const connected = (await Promise.all(sockets.map(isConnected))).filter((success) => success).length
    for (const client of sockets) client.destroy()
    process.kill(worker.pid, 'SIGCONT')
    while ((await status()).backlog.waiting > 0) await turn()
    // Linux lets one more wait than it was told.
    expect(connected).toBeGreaterThanOrEqual(backlog)
    expect(connected).toBeLessThanOrEqual(backlog + 1)
    await answers(socket)
  })
})

describe('the option fd', () => {
  /** A listening socket, as somebody makes one for the command, and its descriptor: Node has no public way to it. */
  async function listening(options: ListenOptions): Promise<{ server: Server, fd: number }> {
    const server = createServer((client) => client.destroy()).listen(options)
    await once(server, 'listening')
    const handle: unknown = Reflect.get(server, '_handle')
    return { server, fd: Number(typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined) }
  }

  it('has all workers accept on the port that was inherited, also after a reload', async () => {
    const { server, fd } = await listening({ port: 0, host: '127.0.0.1' })
    const { port } = server.address() as AddressInfo
    const command = await start(['--fd', '3', '--workers', '2'], fd)
    server.close()
    expect(command.log[0]?.msg).toBe(`listening on port ${String(port)}`)
    await answers(port)
    command.child.process.kill('SIGHUP')
    await command.logged('reloaded')
    await answers(port)
    expect(await command.stop()).toMatchObject({ code: 0 })
  })

  it('by its name is the one of systemd\'s that has it; the socket file stays, which is systemd\'s', async () => {
    // Node removes the file by the name that it was bound by.
    const { server, fd } = await listening({ path: join(directory, 'bound.sock') })
    linkSync(join(directory, 'bound.sock'), socket)
    const script = 'exec 4<&3 3</dev/null; LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=other:web exec "$@"'
    const child: Child = startProcess('/bin/sh', ['-c', script, 'sh', process.execPath, COMMAND, ANSWERING, '--fd', 'web'], { stdio: ['ignore', 'pipe', 'pipe', fd] })
    try {
      expect(await child.line('{')).toContain('"msg":"listening on ')
      server.close()
      await answers(socket)
      child.process.kill('SIGTERM')
      expect(await child.ended).toMatchObject({ code: 0, stderr: '' })
      expect(statSync(socket).isSocket()).toBe(true)
    } finally {
      child.process.kill('SIGKILL')
      await child.ended
    }
  })
})
