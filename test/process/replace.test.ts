/** serve() with `replace`: the name of a live socket changes hands in one step, and each process removes its own only. */
import { afterEach, describe, expect, it } from '@jest/globals'
import { serve, type ServeOptions, type Serving } from 'express-responder'
import { once } from 'node:events'
import { lstatSync, mkdirSync, readdirSync, statSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { FastCgiClient } from '../support/fastcgi-client.js'
import { ask, inDirectory, startProgram } from './support.js'

const started: Serving[] = []

async function start(answer: string, options: ServeOptions): Promise<Serving> {
  const serving = await serve((_, response) => {
    response.end(answer)
  }, { signals: false, ...options })
  started.push(serving)
  return serving
}

/** Who answers at the path. */
async function whoAnswers(path: string): Promise<string> {
  const client = await FastCgiClient.connect(path)
  try {
    return await ask(client, '/', false)
  } finally {
    await client.destroy()
  }
}

describe('serve() with replace', () => {
  afterEach(async () => {
    for (const serving of started.splice(0)) {
      serving.server.closeAllConnections()
      await serving.stop()
    }
  })

  it('takes the name of a live socket; the old server answers on, stops, and leaves the name', () => inDirectory(async (directory) => {
    const path = join(directory, 'app.sock')
    const old = await start('old', { socket: path })
    const kept = await FastCgiClient.connect(path)
    expect(await ask(kept, '/')).toBe('200 old')
    const next = await start('next', { socket: path, replace: true, mode: 0o600 })
    expect(readdirSync(directory)).toEqual(['app.sock'])
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(await ask(kept, '/')).toBe('200 old')
    expect(await whoAnswers(path)).toBe('200 next')
    const stopped = old.stop()
    expect(await whoAnswers(path)).toBe('200 next')
    kept.end()
    await stopped
    expect(await whoAnswers(path)).toBe('200 next')
    await next.stop()
    expect(readdirSync(directory)).toEqual([])
  }))

  it('may be done again and again, and the one before may stop at any time', () => inDirectory(async (directory) => {
    const path = join(directory, 'app.sock')
    const servings: Serving[] = []
    for (const name of ['first', 'second', 'third']) servings.push(await start(name, { socket: path, replace: true }))
    const [first, second, third] = servings
    await second?.stop()
    expect(await whoAnswers(path)).toBe('200 third')
    await first?.stop()
    expect(await whoAnswers(path)).toBe('200 third')
    await third?.stop()
    expect(readdirSync(directory)).toEqual([])
  }))

  it('does not ask the old one, which may hang', () => inDirectory(async (directory) => {
    const path = join(directory, 'app.sock')
    const old = startProgram('programs/app.js', [JSON.stringify({ socket: path })])
    try {
      await old.line('listening')
      old.process.kill('SIGSTOP')
      await start('next', { socket: path, replace: true })
      expect(await whoAnswers(path)).toBe('200 next')
    } finally {
      old.process.kill('SIGKILL')
      await old.ended
    }
    expect(await whoAnswers(path)).toBe('200 next')
  }))

  it('replaces a stale socket, and begins where there is none', () => inDirectory(async (directory) => {
    const path = join(directory, 'app.sock')
    const killed = startProgram('programs/app.js', [JSON.stringify({ socket: path })])
    await killed.line('listening')
    killed.process.kill('SIGKILL')
    await killed.ended
    const next = await start('next', { socket: path, replace: true })
    expect(await whoAnswers(path)).toBe('200 next')
    await next.stop()
    await start('another', { socket: path, replace: true })
    expect(await whoAnswers(path)).toBe('200 another')
  }))

  it.each([
    ['a regular file', (path: string) => { writeFileSync(path, 'precious') }],
    ['a directory', (path: string) => { mkdirSync(path) }],
    ['a symbolic link', (path: string) => { symlinkSync('elsewhere', path) }],
  ])('does not replace %s', (_, make) => inDirectory(async (directory) => {
    const path = join(directory, 'app.sock')
    make(path)
    const { ino } = lstatSync(path)
    await expect(start('next', { socket: path, replace: true })).rejects.toMatchObject({ code: 'ERR_FCGI_SOCKET_FILE' })
    expect(lstatSync(path).ino).toBe(ino)
    expect(readdirSync(directory)).toEqual(['app.sock'])
  }))

  it('goes to one of many processes that replace at once, and none of the others removes it', () => inDirectory(async (directory) => {
    const path = join(directory, 'app.sock')
    const old = await start('old', { socket: path })
    const children = Array.from({ length: 5 }, () => startProgram('programs/contender.js', [path, 'replace']))
    try {
      await Promise.all(children.map((child) => child.line('ready')))
      for (const child of children) child.process.kill('SIGUSR2')
      for (const child of children) expect(await child.line('result ')).toBe('result listening')
      expect(readdirSync(directory)).toEqual(['app.sock'])
      await old.stop()
      // They exit one after the other: the one that has the name takes it away, whichever it is.
      const { ino } = lstatSync(path)
      for (const child of children) {
        child.process.kill('SIGUSR2')
        await child.ended
        const names = readdirSync(directory)
        if (names.length > 0) expect(lstatSync(path).ino).toBe(ino)
      }
      expect(readdirSync(directory)).toEqual([])
    } finally {
      for (const child of children) child.process.kill('SIGKILL')
    }
  }))

  it('leaves the next one\'s socket, too, where the old server was closed by its owner, and its file has the number of the old', () => inDirectory(async (directory) => {
    const path = join(directory, 'app.sock')
    const old = await start('old', { socket: path })
    const kept = await FastCgiClient.connect(path)
    // A response that goes on keeps 'close' from coming.
    old.server.removeAllListeners('request')
    old.server.on('request', (_, response) => response.write('…'))
    void ask(kept, '/').catch(() => undefined)
    await once(old.server, 'request')
    old.server.close()
    unlinkSync(path)
    const next = await start('next', { socket: path })
    await kept.destroy()
    await old.closed
    expect(await whoAnswers(path)).toBe('200 next')
    await next.stop()
  }))

  it('removes at the next start what processes that were killed had left, and nothing else', () => inDirectory(async (directory) => {
    const path = join(directory, 'app.sock')
    const dead = startProgram('programs/contender.js', [path])
    await dead.line('ready')
    const { pid } = dead.process
    dead.process.kill('SIGKILL')
    await dead.ended
    const left = join(directory, `.fcgi-${String(pid)}-abcdef`)
    const others = ['.fcgi-notes', `.fcgi-${String(process.ppid)}-abcdef`, '.tmp-abcdef', `.fcgi-${String(pid)}-filled`]
    for (const name of [left, ...others.map((other) => join(directory, other))]) mkdirSync(name)
    writeFileSync(join(directory, `.fcgi-${String(pid)}-filled`, 'precious'), '')
    const listening = createServer().listen(join(left, 'app.sock'))
    await once(listening, 'listening')
    const held = await start('app', { socket: path })
    // Somebody listens on it still.
    expect(readdirSync(directory).sort()).toEqual([...others, `.fcgi-${String(pid)}-abcdef`, 'app.sock'].sort())
    await held.stop()
    const stale = startProgram('programs/contender.js', [join(left, 'stale.sock')])
    await stale.line('ready')
    stale.process.kill('SIGUSR2')
    await stale.line('result listening')
    stale.process.kill('SIGKILL')
    await stale.ended
    listening.close()
    await once(listening, 'close')
    const next = await start('app', { socket: path })
    expect(readdirSync(directory).sort()).toEqual([...others, 'app.sock'].sort())
    await next.stop()
  }))
})
