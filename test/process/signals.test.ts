/** SIGINT and SIGTERM, as a process manager or a person at a terminal sends them. */
import { describe, expect, it } from '@jest/globals'
import { existsSync, readdirSync, watch } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { FastCgiClient } from '../support/fastcgi-client.js'
import { ask, inDirectory, startProgram, type Child } from './support.js'

/** More than the time in which signals are one wish, in ms. */
const LATER = 150

async function startApp(options: object): Promise<Child> {
  const child = startProgram('programs/app.js', [JSON.stringify(options)])
  await child.line('listening ')
  return child
}

/** Resolves once nothing stands at the path. */
async function gone(path: string): Promise<void> {
  const watcher = watch(join(path, '..'))
  try {
    while (existsSync(path)) await new Promise((resolve) => watcher.once('change', resolve))
  } finally {
    watcher.close()
  }
}

describe('a process under serve()', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('drains at %s and ends with status 0', (signal) => inDirectory(async (directory) => {
    const path = join(directory, 'app.sock')
    const child = await startApp({ socket: path })
    const idle = await FastCgiClient.connect(path)
    expect(await ask(idle, '/')).toMatch(/^200 x+y+$/)
    const busy = await FastCgiClient.connect(path)
    const answer = ask(busy, '/hold')
    await child.line('ran /hold')

    child.process.kill(signal)
    await gone(path)
    await idle.whenClosed()
    child.process.kill('SIGUSR2')
    expect(await answer).toMatch(/^200 x+y+$/)
    expect(await child.ended).toEqual({ code: 0, signal: null, stderr: '' })
    expect(child.lines).toContain('closed')
    expect(child.lines.includes('another listener heard SIGTERM')).toBe(signal === 'SIGTERM')
    expect(readdirSync(directory)).toEqual([])
  }))

  it.each([['SIGTERM', 143], ['SIGINT', 130]] as const)('ends at once at a second signal, %s', (signal, code) => inDirectory(async (directory) => {
    const path = join(directory, 'app.sock')
    const child = await startApp({ socket: path })
    const answer = ask(await FastCgiClient.connect(path), '/hang')
    await child.line('ran /hang')
    child.process.kill('SIGTERM')
    await gone(path)
    await delay(LATER)
    child.process.kill(signal)
    await expect(answer).rejects.toThrow('closed')
    expect(await child.ended).toMatchObject({ code, signal: null })
    expect(readdirSync(directory)).toEqual([])
  }))

  it.each([
    ['SIGINT', 'SIGTERM'], ['SIGINT', 'SIGINT'], ['SIGTERM', 'SIGTERM', 'SIGINT'],
  ] as const)('takes signals that come together for one: %s', (...signals) => inDirectory(async (directory) => {
    const path = join(directory, 'app.sock')
    const child = await startApp({ socket: path })
    const answer = ask(await FastCgiClient.connect(path), '/hold')
    await child.line('ran /hold')
    for (const signal of signals) child.process.kill(signal)
    await gone(path)
    child.process.kill('SIGUSR2')
    expect(await answer).toMatch(/^200 x+y+$/)
    expect(await child.ended).toMatchObject({ code: 0, signal: null })
  }))

  it('takes a signal that comes together with the first for the same, though it is heard late', () => inDirectory(async (directory) => {
    const path = join(directory, 'app.sock')
    const child = await startApp({ socket: path })
    const answer = ask(await FastCgiClient.connect(path), '/hold')
    await child.line('ran /hold')
    // The app's own listener holds the event loop up, as a log that is written at the end may do.
    const blocked = ask(await FastCgiClient.connect(path), '/block')
    await child.line('ran /block')
    child.process.kill('SIGINT')
    await child.line('blocked')
    child.process.kill('SIGINT')
    await blocked
    child.process.kill('SIGUSR2')
    expect(await answer).toMatch(/^200 x+y+$/)
    expect(await child.ended).toMatchObject({ code: 0, signal: null })
  }))

  it('ends with status 0 even if a request had to be cut off', () => inDirectory(async (directory) => {
    const path = join(directory, 'app.sock')
    const child = await startApp({ socket: path, stopTimeout: 100 })
    const answer = ask(await FastCgiClient.connect(path), '/hang')
    await child.line('ran /hang')
    child.process.kill('SIGTERM')
    await expect(answer).rejects.toThrow('closed')
    expect(await child.ended).toMatchObject({ code: 0 })
  }))

  it('leaves signals alone if it is told to', () => inDirectory(async (directory) => {
    const child = await startApp({ socket: join(directory, 'app.sock'), signals: false })
    child.process.kill('SIGTERM')
    await child.line('another listener heard SIGTERM')
    expect(existsSync(join(directory, 'app.sock'))).toBe(true)
    child.process.kill('SIGINT')
    expect(await child.ended).toMatchObject({ signal: 'SIGINT' })
  }))
})
