/** The socket file: who may connect, what gives way to it and what does not. */
import { describe, expect, it } from '@jest/globals'
import { once } from 'node:events'
import { chmodSync, chownSync, linkSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync, existsSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { listenOnSocketFile, type SocketFile, type SocketFileOptions } from '../../lib/process/socket-file.js'
import { connected, inDirectory, startProgram, type Child } from './support.js'

const isRoot = process.getuid?.() === 0

interface Held {
  server: Server
  file: SocketFile
}

async function hold(path: string, options: Partial<SocketFileOptions> = {}): Promise<Held> {
  const server = createServer((socket) => socket.destroy())
  const file = await listenOnSocketFile(server, { path, mode: 0o660, owner: undefined, group: undefined, backlog: 511, replace: false, ...options })
  return { server, file }
}

async function release({ server, file }: Held): Promise<void> {
  file.remove()
  server.close()
  await once(server, 'close')
}

/** Leaves a socket file behind on which nobody listens, as a killed process does. */
async function leaveStale(path: string): Promise<void> {
  const server = createServer()
  server.listen(`${path}.bound`)
  await once(server, 'listening')
  linkSync(`${path}.bound`, path)
  server.close()
  await once(server, 'close')
}

describe('a socket file', () => {
  it('is reachable, and shows mode 0660 whatever the umask is', () => inDirectory(async (directory) => {
    const path = join(directory, 'app.sock')
    for (const umask of [0o000, 0o077, 0o022]) {
      const before = process.umask(umask)
      try {
        const held = await hold(path)
        expect(statSync(path).mode & 0o7777).toBe(0o660)
        expect(statSync(path).isSocket()).toBe(true);
        (await connected(path)).destroy()
        await release(held)
      } finally {
        process.umask(before)
      }
    }
  }))

  it('leaves nothing but itself in its directory, and after the stop nothing at all', () => inDirectory(async (directory) => {
    const held = await hold(join(directory, 'app.sock'))
    expect(readdirSync(directory)).toEqual(['app.sock'])
    expect(held.server.address()).toBe(join(directory, 'app.sock'))
    await release(held)
    expect(readdirSync(directory)).toEqual([])
  }))

  it('takes the mode that is asked for', () => inDirectory(async (directory) => {
    const held = await hold(join(directory, 'app.sock'), { mode: 0o600 })
    expect(statSync(held.file.path).mode & 0o7777).toBe(0o600)
    await release(held)
  }))

  it('takes a group that the process is in, by number', () => inDirectory(async (directory) => {
    const path = join(directory, 'app.sock')
    const group = process.getgroups?.().at(-1) ?? process.getgid?.()
    const held = await hold(path, { group })
    expect(statSync(path).gid).toBe(group)
    await release(held)
  }))

  // Only root may give a file away: anybody else is told so.
  it('takes owner and group by name and by number', () => inDirectory(async (directory) => {
    const path = join(directory, 'app.sock')
    if (!isRoot) {
      await expect(hold(path, { owner: 0 })).rejects.toMatchObject({ code: 'ERR_FCGI_SOCKET_OWNER' })
      return
    }
    for (const account of [{ owner: 'nobody', group: 'daemon' }, { owner: '65534', group: 1 }, { owner: 65534, group: '1' }]) {
      const held = await hold(path, account)
      expect({ uid: statSync(path).uid, gid: statSync(path).gid }).toEqual({ uid: 65534, gid: 1 })
      await release(held)
    }
  }))

  it.each([{ owner: 'no-such-user-here' }, { group: 'no-such-group-here' }])('names an account that does not exist: %p', (account) =>
    inDirectory(async (directory) => {
      const wrong = Object.values(account)[0] ?? ''
      await expect(hold(join(directory, 'app.sock'), account)).rejects.toMatchObject({
        code: 'ERR_FCGI_SOCKET_OWNER', message: expect.stringContaining(wrong),
      })
      expect(readdirSync(directory)).toEqual([])
    }))

  it('is never taken from a process that answers on it', () => inDirectory(async (directory) => {
    const path = join(directory, 'app.sock')
    const held = await hold(path)
    const before = statSync(path).ino
    await expect(hold(path)).rejects.toMatchObject({
      code: 'EADDRINUSE', syscall: 'listen', address: path, message: expect.stringContaining(path),
    })
    expect(statSync(path).ino).toBe(before)
    expect(readdirSync(directory)).toEqual(['app.sock']);
    (await connected(path)).destroy()
    await release(held)
  }))

  it('replaces a stale one', () => inDirectory(async (directory) => {
    const path = join(directory, 'app.sock')
    await leaveStale(path)
    const held = await hold(path);
    (await connected(path)).destroy()
    expect(readdirSync(directory)).toEqual(['app.sock'])
    await release(held)
  }))

  it('replaces a stale one although a killed process has left its lock', () => inDirectory(async (directory) => {
    const path = join(directory, 'app.sock')
    await leaveStale(path)
    mkdirSync(join(directory, '.app.sock.lock'))
    utimesSync(join(directory, '.app.sock.lock'), 1, 1)
    const held = await hold(path)
    expect(readdirSync(directory)).toEqual(['app.sock'])
    await release(held)
  }))

  it('says what stands in the way of its lock', () => inDirectory(async (directory) => {
    const path = join(directory, 'app.sock')
    const lock = join(directory, '.app.sock.lock')
    await leaveStale(path)
    mkdirSync(lock)
    writeFileSync(join(lock, 'somebody\'s'), '')
    utimesSync(lock, 1, 1)
    await expect(hold(path)).rejects.toMatchObject({
      code: 'ERR_FCGI_SOCKET_DIRECTORY', message: expect.stringContaining(lock),
    })
    expect(readdirSync(lock)).toEqual(['somebody\'s'])
  }))

  it('goes to exactly one of many processes that start on a stale one at once', () => inDirectory(async (directory) => {
    const path = join(directory, 'app.sock')
    for (let round = 0; round < 3; round++) {
      await leaveStale(path)
      const children = Array.from({ length: 6 }, () => startProgram('programs/contender.js', [path]))
      await Promise.all(children.map((child) => child.line('ready')))
      for (const child of children) child.process.kill('SIGUSR2')
      const results = await Promise.all(children.map((child) => child.line('result ')))
      expect(results.filter((result) => result === 'result listening')).toHaveLength(1)
      expect(results.filter((result) => result === 'result EADDRINUSE')).toHaveLength(children.length - 1)
      const winner = children[results.indexOf('result listening')] as Child
      (await connected(path)).destroy()
      await winner.line('connection')
      expect(readdirSync(directory)).toEqual(['app.sock'])
      for (const child of children) child.process.kill('SIGKILL')
      await Promise.all(children.map((child) => child.ended))
      rmSync(path)
    }
  }))

  it.each([
    ['a regular file', (path: string) => { writeFileSync(path, 'precious') }],
    ['a directory', (path: string) => { mkdirSync(path) }],
    ['a symbolic link', (path: string) => { symlinkSync('elsewhere', path) }],
  ])('does not replace %s', (_, make) => inDirectory(async (directory) => {
    const path = join(directory, 'app.sock')
    make(path)
    await expect(hold(path)).rejects.toMatchObject({
      code: 'ERR_FCGI_SOCKET_FILE', message: expect.stringContaining(path),
    })
    expect(readdirSync(directory)).toEqual(['app.sock'])
  }))

  it('needs a directory, and says which and how to make it', () => inDirectory(async (directory) => {
    const missing = join(directory, 'run')
    await expect(hold(join(missing, 'app.sock'))).rejects.toMatchObject({
      code: 'ERR_FCGI_SOCKET_DIRECTORY', message: expect.stringMatching(new RegExp(`${missing}.*install -d`)),
    })
    writeFileSync(missing, '')
    for (const path of [join(missing, 'app.sock'), join(missing, 'deeper', 'app.sock')]) {
      await expect(hold(path)).rejects.toMatchObject({ code: 'ERR_FCGI_SOCKET_DIRECTORY' })
    }
  }))

  it('may have a path of 107 bytes with any name, and none longer', () => inDirectory(async (directory) => {
    for (const name of ['s', 'app.sock', 'long-name-of-a-socket.sock']) {
      const padding = 'd'.repeat(107 - directory.length - 2 - name.length)
      const path = join(directory, padding, name)
      expect(Buffer.byteLength(path)).toBe(107)
      mkdirSync(join(directory, padding), { recursive: true })
      const held = await hold(path);
      (await connected(path)).destroy()
      expect(statSync(path).mode & 0o7777).toBe(0o660)
      expect(readdirSync(join(directory, padding))).toEqual([name])
      await release(held)
      await expect(hold(`${path}x`)).rejects.toMatchObject({
        code: 'ERR_FCGI_SOCKET_PATH', message: expect.stringContaining('107'),
      })
    }
    // The limit is one of bytes, not of characters.
    const wide = join(directory, 'ä'.repeat(50))
    await expect(hold(wide)).rejects.toMatchObject({ code: 'ERR_FCGI_SOCKET_PATH' })
  }))

  it('stays when another has taken its place', () => inDirectory(async (directory) => {
    const path = join(directory, 'app.sock')
    const old = await hold(path)
    const replacement = await hold(join(directory, 'next.sock'))
    renameSync(join(directory, 'next.sock'), path)
    await release(old);
    (await connected(path)).destroy()
    expect(readdirSync(directory)).toEqual(['app.sock'])
    // The replacement's own file bears another name now, which is not its to know.
    await release(replacement)
    expect(existsSync(path)).toBe(true)
  }))

  it('is no trouble at the stop when somebody has removed it', () => inDirectory(async (directory) => {
    const held = await hold(join(directory, 'app.sock'))
    rmSync(held.file.path)
    await release(held)
    expect(readdirSync(directory)).toEqual([])
  }))

  it('goes away when the process exits without a stop', () => inDirectory(async (directory) => {
    const path = join(directory, 'app.sock')
    const child = startProgram('programs/contender.js', [path])
    await child.line('ready')
    child.process.kill('SIGUSR2')
    await child.line('result listening')
    child.process.kill('SIGUSR2')
    expect(await child.ended).toMatchObject({ code: 0 })
    expect(readdirSync(directory)).toEqual([])
  }))

  it('tells a user without rights what is missing', () => inDirectory(async (directory) => {
    let path = join(directory, 'app.sock')
    chmodSync(directory, isRoot ? 0o755 : 0o555)
    const asNobody = (): Child => startProgram('programs/contender.js', isRoot ? [path, 'own', '65534'] : [path], { cwd: '/' })
    const attempt = async (): Promise<string> => {
      const child = asNobody()
      await child.line('ready')
      child.process.kill('SIGUSR2')
      const result = await child.line('result ')
      child.process.kill('SIGKILL')
      await child.ended
      return result
    }
    expect(await attempt()).toBe('result ERR_FCGI_SOCKET_DIRECTORY')
    // What follows needs two users, which only root can be.
    if (!isRoot) {
      chmodSync(directory, 0o755)
      return
    }
    // A live socket that this user may not connect to could be anybody's.
    const held = await hold(path, { mode: 0o600 })
    expect(await attempt()).toBe('result EADDRINUSE')
    await release(held)
    chmodSync(directory, 0o700)
    expect(await attempt()).toBe('result ERR_FCGI_SOCKET_DIRECTORY')
    chmodSync(directory, 0o755)
    // A directory of his own is all he needs, whatever stands above it.
    mkdirSync(join(directory, 'own'))
    chownSync(join(directory, 'own'), 65534, 65534)
    path = join(directory, 'own', 'app.sock')
    expect(await attempt()).toBe('result listening')
  }))
})
