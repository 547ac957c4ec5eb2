/** Listening sockets that a process is started with: descriptor 0, and systemd's LISTEN_FDS. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { once } from 'node:events'
import { closeSync, existsSync, linkSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { createServer, type AddressInfo, type ListenOptions, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { inspect } from '../../lib/process/inherited-socket.js'
import { describeIfInstalled } from '../proxies/support/installed.js'
import { findProgram } from '../proxies/support/programs.js'
import { FastCgiClient, type ClientTarget } from '../support/fastcgi-client.js'
import { ask, connected, start, startProgram, type Child } from './support.js'

const PROGRAM = fileURLToPath(new URL('programs/app.js', import.meta.url))

/** A listening socket, as a web server makes one for its application. */
interface Parent {
  server: Server
  fd: number
}

async function listening(options: ListenOptions): Promise<Parent> {
  const server = createServer((socket) => socket.destroy())
  server.listen(options)
  await once(server, 'listening')
  return { server, fd: descriptorOf(server) }
}

/** Node has no public way to a server's descriptor; a connected socket's is the same kind of thing. */
function descriptorOf(holder: object): number {
  const handle: unknown = Reflect.get(holder, '_handle')
  const fd: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined
  if (typeof fd !== 'number') throw new Error('no descriptor')
  return fd
}

/** Starts the app by way of a shell, which moves descriptors about and then becomes the app. */
function startByShell(script: string, fd: number | 'ignore', options: object = {}): Child {
  return start('/bin/sh', ['-c', script, 'sh', process.execPath, PROGRAM, JSON.stringify(options)], { stdio: [fd, 'pipe', 'pipe'] })
}

describe('a process with an inherited socket', () => {
  let directory: string
  let path: string
  /** The name by which Node removes the file when it closes its socket; the file stays by the other one. */
  let bound: string
  const servers: Server[] = []
  const children: Child[] = []

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'er-'))
    path = join(directory, 'app.sock')
    bound = `${path}.bound`
  })

  afterEach(async () => {
    for (const child of children.splice(0)) {
      child.process.kill('SIGKILL')
      await child.ended
    }
    for (const server of servers.splice(0)) server.close()
    rmSync(directory, { recursive: true, force: true })
  })

  async function parent(options: ListenOptions = { path: bound }): Promise<Parent> {
    const made = await listening(options)
    if (options.path === bound) linkSync(bound, path)
    servers.push(made.server)
    return made
  }

  /** Once a child has the socket, its maker lets go of it, lest it takes connections, too. */
  function handedOver({ server }: Parent, child: Child): Child {
    children.push(child)
    servers.splice(servers.indexOf(server), 1)
    server.close()
    return child
  }

  async function answersAndStops(child: Child, target: ClientTarget): Promise<void> {
    const client = await FastCgiClient.connect(target)
    expect(await ask(client, '/')).toMatch(/^200 /)
    child.process.kill('SIGTERM')
    expect(await child.ended).toMatchObject({ code: 0, stderr: '' })
  }

  it('serves on descriptor 0, and leaves the file to who made it', async () => {
    const made = await parent()
    const child = handedOver(made, startProgram('programs/app.js', ['{}'], { stdio: [made.fd, 'pipe', 'pipe'] }))
    expect(await child.line('listening')).toBe(`listening ${bound}`)
    await answersAndStops(child, path)
    expect(existsSync(path)).toBe(true)
  })

  it('serves on descriptor 0 when that is a TCP socket', async () => {
    const made = await parent({ port: 0, host: '127.0.0.1' })
    const { port } = made.server.address() as AddressInfo
    const child = handedOver(made, startProgram('programs/app.js', ['{}'], { stdio: [made.fd, 'pipe', 'pipe'] }))
    expect(await child.line('listening')).toBe(`listening port ${String(port)}`)
    await answersAndStops(child, port)
  })

  it('serves on the descriptor that systemd passes', async () => {
    const made = await parent()
    const child = handedOver(made, startByShell('exec 3<&0 0</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"', made.fd))
    expect(await child.line('listening')).toBe(`listening ${bound}`)
    await answersAndStops(child, path)
    expect(existsSync(path)).toBe(true)
  })

  it('finds the one of several that is named', async () => {
    const made = await parent()
    const environment = 'LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=metrics:app'
    const child = handedOver(made, startByShell(`exec 4<&0 3</dev/null 0</dev/null; ${environment} exec "$@"`, made.fd, { fd: 'app' }))
    expect(await child.line('listening')).toBe(`listening ${bound}`)
    await answersAndStops(child, path)
  })

  it('does not take the descriptor for messages to systemd for one to listen on', async () => {
    const made = await parent()
    const environment = 'LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=notify:web'
    const child = handedOver(made, startByShell(`exec 4<&0 3</dev/null 0</dev/null; ${environment} exec "$@"`, made.fd))
    expect(await child.line('listening')).toBe(`listening ${bound}`)
    await answersAndStops(child, path)
  })

  it('listens on a descriptor of that name all the same where it is a listening socket', async () => {
    const made = await parent()
    const child = handedOver(made, startByShell('exec 3<&0 0</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=notify exec "$@"', made.fd))
    expect(await child.line('listening')).toBe(`listening ${bound}`)
    await answersAndStops(child, path)
  })

  it('serves on a descriptor given by its number', async () => {
    const made = await parent()
    const child = handedOver(made, startByShell('exec 5<&0 0</dev/null; exec "$@"', made.fd, { fd: 5 }))
    expect(await child.line('listening')).toBe(`listening ${bound}`)
    await answersAndStops(child, path)
  })

  it.each([
    ['several sockets and no name', 'LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=metrics:app exec "$@"', {}, /ERR_FCGI_NO_SOCKET.*metrics, app.*\{ fd: 'name' \}/],
    ['a name that there is not', 'LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=app exec "$@"', { fd: 'web' }, /ERR_FCGI_NO_SOCKET.*'web'.*passed app.*FileDescriptorName=/],
    ['LISTEN_FDS of another process', 'LISTEN_PID=1 LISTEN_FDS=1 exec "$@"', {}, /ERR_FCGI_NO_SOCKET.*process 1 while this is \d+ .*ExecStart=/],
    ['no socket on descriptor 3', 'exec 3</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"', {}, /ERR_FCGI_INHERITED.*descriptor 3 is no socket/],
    ['nothing on the descriptor given', 'exec "$@"', { fd: 99 }, /ERR_FCGI_INHERITED.*descriptor 99 is not open/],
    ['nothing at all', 'exec "$@"', {}, /ERR_FCGI_NO_SOCKET.*descriptor 0 is no socket.*\{ socket: /],
    ['a closed descriptor 0', 'exec "$@" <&-', {}, /ERR_FCGI_NO_SOCKET.*\{ socket: /],
  ])('is told what is wrong: %s', async (_, script, options, expected) => {
    const child = startByShell(script, 'ignore', options)
    expect(await child.line('failed')).toMatch(expected)
    expect(await child.ended).toMatchObject({ code: 3 })
  })

  it('does not take a connected socket on descriptor 0 for a listening one', async () => {
    // Node gives its children's standard input a socket pair.
    const child = startProgram('programs/app.js', ['{}'], { stdio: ['pipe', 'pipe', 'pipe'] })
    expect(await child.line('failed')).toMatch(/ERR_FCGI_NO_SOCKET.*a socket that does not listen/)
    expect(await child.ended).toMatchObject({ code: 3 })
  })

  it('can tell listening sockets from all else', async () => {
    const { fd } = await parent()
    expect(inspect(fd)).toEqual({ state: 'yes', address: bound })
    const socket = await connected(path)
    expect(inspect(descriptorOf(socket))).toMatchObject({ state: 'no' })
    socket.destroy()
    const file = openSync('/dev/null', 'r')
    expect(inspect(file)).toMatchObject({ state: 'no', reason: 'no socket' })
    closeSync(file)
    const { server: tcp, fd: tcpFd } = await parent({ port: 0, host: '::1' })
    expect(inspect(tcpFd)).toEqual({ state: 'yes', address: `port ${String((tcp.address() as AddressInfo).port)}` })
  })

  const spawnFcgi = findProgram('spawn-fcgi')
  describeIfInstalled({ package: 'spawn-fcgi', installed: spawnFcgi !== undefined }, 'started by spawn-fcgi', () => {
    it('serves on the socket that was made for it', async () => {
      const child = start(spawnFcgi ?? '', ['-n', '-s', path, '--', process.execPath, PROGRAM, '{}'])
      children.push(child)
      expect(await child.line('listening')).toBe(`listening ${path}`)
      await answersAndStops(child, path)
      expect(existsSync(path)).toBe(true)
    })
  })
})
