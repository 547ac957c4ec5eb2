/** The socket itself, and who may reach it: what the doctor says of files, permissions, mounts and of what listens there. */
import { once } from 'node:events'
import { chmod, chown, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import http from 'node:http'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { createServer } from 'express-responder'
import { diagnose, type DoctorOptions } from '../../lib/cli/doctor/diagnose.js'
import type { Finding } from '../../lib/cli/doctor/finding.js'
import { standIn } from '../../lib/cli/doctor/stand-in.js'
import { runToEnd, startChild } from '../proxies/support/child.js'
import { freePort } from '../proxies/support/ports.js'
import { optionsFor } from './support/doctor.js'

const OPEN = { mode: undefined, owner: undefined, group: undefined }

let directory: string
let socket: string
const cleanups: (() => unknown)[] = []
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'er-'))
  socket = join(directory, 'app.sock')
})
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
  await rm(directory, { recursive: true })
})

/** Listens at the socket's path until the end of the test. */
async function listen<S extends net.Server>(server: S): Promise<S> {
  server.listen(socket)
  await once(server, 'listening')
  cleanups.push(() => {
    if (server instanceof http.Server) server.closeAllConnections()
    server.close()
  })
  return server
}

/** What the doctor finds of the socket alone. */
async function find(options: Partial<DoctorOptions> = {}): Promise<readonly Finding[]> {
  return (await diagnose(optionsFor(socket, undefined, { listen: 'where-free', user: 'root', ...options }))).findings
}

/** Leaves a socket file on which nobody listens. */
async function leaveStale(mode: number): Promise<void> {
  const program = `require('node:net').createServer().listen(${JSON.stringify(socket)}, () => process.kill(process.pid, 'SIGKILL'))`
  await runToEnd(process.execPath, ['-e', program])
  await chmod(socket, mode)
}

describe('the doctor at the socket', () => {
  it('finds nothing where an app answers', async () => {
    await listen(createServer((_, response) => response.end('hello')))
    expect(await find()).toEqual([])
  })

  it('tells that there is no socket', async () => {
    expect(await find()).toMatchObject([{ code: 'no-socket', evidence: `there is no ${socket}`, line: 'systemctl start app' }])
  })

  it('tells that its directory is missing', async () => {
    expect((await diagnose(optionsFor(join(directory, 'missing/app.sock'), undefined, { listen: 'never', user: 'root' }))).findings)
      .toMatchObject([{ code: 'no-socket', evidence: `there is no ${join(directory, 'missing')}`, line: 'RuntimeDirectory=app', place: expect.stringContaining(`mkdir -p ${join(directory, 'missing')}`) }])
  })

  it.each([
    ['/run/er-missing/app.sock', 'er-missing'], ['/var/run/er-missing/app.sock', 'er-missing'],
    ['/run/er-missing/api/app.sock', 'er-missing/api'], ['/run/user/4242/er-missing/app.sock', 'er-missing'],
  ])('tells that the directory of %s is gone since the boot, and what makes it anew', async (path, name) => {
    expect((await diagnose(optionsFor(path, undefined, { listen: 'never', user: 'root' }))).findings)
      .toMatchObject([{ code: 'no-socket', line: `RuntimeDirectory=${name}` }])
  })

  it('tells that the socket was left by a process that has ended', async () => {
    await leaveStale(0o660)
    expect(await find()).toMatchObject([{ code: 'stale-socket', evidence: 'ECONNREFUSED', line: 'systemctl start app' }])
  })

  it('tells that the path is a file, and never listens there', async () => {
    await writeFile(socket, 'not to be lost')
    const url = new URL(`http://127.0.0.1:${String(await freePort())}/`)
    const { findings } = await diagnose(optionsFor(socket, url, { listen: 'where-free', server: 'nginx' }))
    expect(findings.map(({ code }) => code)).toEqual(['not-a-socket', 'url-unreachable'])
    expect((await stat(socket)).isFile()).toBe(true)
    await expect(diagnose(optionsFor(socket, url))).rejects.toMatchObject({ code: 'ERR_FCGI_SOCKET_FILE' })
  })

  it('tells that an app speaks HTTP', async () => {
    await listen(http.createServer((_, response) => response.end()))
    expect(await find()).toMatchObject([{ code: 'app-speaks-http', line: `serve(app, { socket: '${socket}' })` }])
  })

  it('tells that nothing is answered', async () => {
    await listen(net.createServer((connection) => connection.on('error', () => undefined)))
    expect(await find({ timeout: 200 })).toMatchObject([{ code: 'no-answer' }])
  })

  it('tells that connections are closed without an answer', async () => {
    await listen(net.createServer((connection) => connection.on('error', () => undefined).destroy()))
    expect(await find()).toMatchObject([{ code: 'app-closes' }])
  })

  it('tells that the queue is full', async () => {
    const program = `require('node:net').createServer().listen({ path: ${JSON.stringify(socket)}, backlog: 1 }, () => { console.log('listening'); process.kill(process.pid, 'SIGSTOP') })`
    const child = startChild(process.execPath, ['-e', program])
    cleanups.push(() => {
      child.signal('SIGKILL')
      return child.exited
    })
    while (child.running && !child.logs().includes('listening')) await new Promise((resolve) => setTimeout(resolve, 10))
    const waiting = Array.from({ length: 5 }, () => net.connect(socket).on('error', () => undefined))
    cleanups.push(() => {
      for (const connection of waiting) connection.destroy()
    })
    expect(await find({ timeout: 200 })).toMatchObject([{ code: 'queue-full', evidence: 'connecting failed with EAGAIN', line: 'sysctl -w net.core.somaxconn=4096' }])
  })

  it('tells that the web server does not answer', async () => {
    const url = new URL(`http://127.0.0.1:${String(await freePort())}/`)
    const { findings } = await diagnose(optionsFor(socket, url, { server: 'nginx' }))
    expect(findings).toMatchObject([{ code: 'url-unreachable', line: 'systemctl start nginx' }])
  })
})

describe('the doctor in the place of an app', () => {
  it('is refused where somebody listens, who goes on unharmed', async () => {
    await listen(createServer((_, response) => response.end('hello')))
    const before = await stat(socket)
    await expect(diagnose(optionsFor(socket, new URL('http://127.0.0.1:1/')))).rejects.toMatchObject({ code: 'EADDRINUSE' })
    await expect(standIn({ kind: 'socket', path: socket }, OPEN)).rejects.toMatchObject({ code: 'EADDRINUSE' })
    expect((await stat(socket)).ino).toBe(before.ino)
    expect(await find()).toEqual([])
  })

  it('takes over the mode of a socket that was left, and leaves nothing', async () => {
    await leaveStale(0o640)
    const source = await standIn({ kind: 'socket', path: socket }, OPEN)
    expect((await stat(socket)).mode & 0o777).toBe(0o640)
    await source.close()
    await expect(stat(socket)).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it('makes a directory that is missing, and takes it away again', async () => {
    const source = await standIn({ kind: 'socket', path: join(directory, 'missing/app.sock') }, OPEN)
    await source.close()
    await expect(stat(join(directory, 'missing'))).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it('answers others with 503', async () => {
    const source = await standIn({ kind: 'socket', path: socket }, OPEN)
    const { FastCgiClient } = await import('../support/fastcgi-client.js')
    const client = await FastCgiClient.connect(socket)
    const answer = await client.request({ params: { REQUEST_METHOD: 'GET', REQUEST_URI: '/' } })
    client.socket.destroy()
    expect([answer.status, answer.headers['retry-after']]).toEqual([503, '5'])
    await source.close()
  })
})

/**
 * Whether a process of that user and group can connect: what the kernel says. It gives up root once it runs, as that user may not be
 * allowed to start this Node: one that root has installed for itself stands below /root.
 */
async function connects(uid: number, gid: number): Promise<boolean> {
  const program = `process.setgroups([]); process.setgid(${String(gid)}); process.setuid(${String(uid)})
    require('node:net').connect(${JSON.stringify(socket)}).on('connect', () => process.exit(0)).on('error', () => process.exit(1))`
  return (await runToEnd(process.execPath, ['-e', program], { cwd: '/' })).code === 0
}

const asRoot = process.getuid?.() === 0 ? describe : describe.skip

asRoot('permissions, which only root can give to others', () => {
  it.each([
    [0o755, 0, 0, 0o666, 0, 0], [0o750, 0, 0, 0o666, 0, 0], [0o750, 0, 4242, 0o666, 0, 0], [0o705, 0, 4242, 0o666, 0, 0], [0o700, 4241, 0, 0o200, 4241, 0],
    [0o755, 0, 0, 0o660, 0, 0], [0o755, 0, 0, 0o660, 0, 4242], [0o755, 0, 0, 0o606, 0, 4242], [0o755, 0, 0, 0o062, 4241, 4242], [0o711, 0, 0, 0o444, 0, 0],
  ])('directory %i of %i:%i, socket %i of %i:%i: the doctor judges as the kernel does', async (directoryMode, directoryOwner, directoryGroup, mode, owner, group) => {
    await listen(createServer((_, response) => response.end()))
    await chown(directory, directoryOwner, directoryGroup)
    await chmod(directory, directoryMode)
    await chown(socket, owner, group)
    await chmod(socket, mode)
    const account = { name: 'nobody-else', uid: 4241, groups: [4242], unrestricted: false }
    const { readSocketFacts } = await import('../../lib/cli/doctor/socket-files.js')
    const { mayConnect, mayEnter } = await import('../../lib/cli/doctor/permission.js')
    const judged = readSocketFacts(socket, undefined).parts.every((part) => part.kind === 'socket' ? mayConnect(account, part) : mayEnter(account, part))
    expect(judged).toBe(await connects(4241, 4242))
  })

  it('names the directory that the user may not enter', async () => {
    await listen(createServer((_, response) => response.end()))
    await chmod(directory, 0o700)
    expect(await find({ user: 'nobody' })).toMatchObject([{ code: 'directory-permission', line: `chmod o+x ${directory}` }])
  })

  it('names the group that the user has to join', async () => {
    await listen(createServer((_, response) => response.end()))
    await chmod(directory, 0o755)
    await chown(socket, 0, 4)
    await chmod(socket, 0o660)
    expect(await find({ user: 'nobody', server: 'lighttpd' })).toMatchObject([{ code: 'socket-permission', line: 'usermod -aG adm nobody && systemctl restart lighttpd' }])
  })

  it('names the option of serve() where no group could help', async () => {
    await listen(createServer((_, response) => response.end()))
    await chmod(directory, 0o755)
    await chmod(socket, 0o600)
    expect(await find({ user: 'nobody' })).toMatchObject([{ code: 'socket-permission', line: `serve(app, { socket: '${socket}', group: 'nobody' })` }])
  })
})
