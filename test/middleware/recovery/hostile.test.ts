/** No code of the app's on the way of a recovery can end the process, and each part of an app has what it asked for. */
import { afterEach, describe, expect, it } from '@jest/globals'
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const PROGRAM = fileURLToPath(new URL('hostile-app.js', import.meta.url))
const children: ChildProcess[] = []

afterEach(async () => {
  await Promise.all(children.splice(0).map(async (child) => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'close')
  }))
})

interface Program {
  ask(path: string): Promise<{ status: number; body: string }>
  stderr(): string
  ended: Promise<unknown>
}

async function start(name: string, version = 5): Promise<Program> {
  const child = fork(PROGRAM, [name, String(version)], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
  children.push(child)
  let stderr = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const ended = once(child, 'close').then(([code]: unknown[]) => code)
  const port = await Promise.race([once(child, 'message').then(([sent]: unknown[]) => sent), ended.then((code) => { throw new Error(`it has ended with ${String(code)}: ${stderr}`) })])
  return {
    ask: async (path) => {
      const response = await fetch(`http://127.0.0.1:${String(port)}${path}`)
      return { status: response.status, body: await response.text() }
    },
    stderr: () => stderr,
    ended,
  }
}

describe('the process goes on, and the client has a plain 500, where', () => {
  it.each([
    'getters', 'a revoked proxy', 'a proxy that throws', 'headers that are none', 'a message that is no string', 'onRecover throws', 'onRecover is rejected',
    'onRecover fails later', 'onRecover opens a socket', 'onRecover returns a thenable', 'requestId throws', 'requestId is rejected', 'requestId gives no text',
    'isFatal throws', 'isFatal is rejected', 'logger throws', 'logger is rejected', 'req.id throws', 'response.setHeader throws', 'response.end throws',
    'a listener is rejected', 'a listener of warnings throws',
  ])('%s', async (name) => {
    const program = await start(name)
    for (const path of ['/bad', '/bad', '/bad/at-once', '/bad']) expect(await program.ask(path)).toMatchObject({ status: 500 })
    expect(await program.ask('/ok')).toEqual({ status: 200, body: 'ok' })
  })
  it('and it is warned of', async () => {
    const program = await start('onRecover opens a socket')
    await program.ask('/bad')
    while (!program.stderr().includes('ERR_RECOVERY_LISTENER')) await program.ask('/ok')
    expect(program.stderr()).toMatch(/recovery\(\): the option onRecover has failed: .*ENOENT/)
  })
})

describe.each([4, 5])('on Express %d', (version) => {
  it.each([
    ['/router', 'router'], ['/router/inner/deeper', 'inner'], ['/mounted', 'mounted'], ['/passing', 'app'], ['/route', 'route'], ['/app', 'app'],
  ])('late failures ask the nearest error middleware first: %s', async (path, by) => {
    const program = await start('layered', version)
    expect(await program.ask(path)).toEqual({ status: 503, body: by })
  })
  it('a route is told with what its routers are mounted on', async () => {
    const program = await start('routed', version)
    for (const path of ['/users/1', '/orders/1', '/tenants/7/users/1', '/shop/items/1', '/plain/1', '/users/1/at-once', '/shop/items/1/at-once']) await program.ask(path)
    expect(JSON.parse((await program.ask('/routes')).body)).toEqual([
      '/users/:id', '/orders/:id', '/tenants/:tenant/users/:id', '/shop/items/:id', '/plain/:id', '/users/:id/at-once', '/shop/items/:id/at-once',
    ])
  })
  it('errors() alone protects its app, and tells whom it was given, also beside an app with recovery()', async () => {
    const program = await start('errors alone', version)
    for (const path of ['/bad', '/bad/at-once', '/bad']) expect(await program.ask(path)).toMatchObject({ status: 500 })
    await program.ask('/ok')
    expect(program.stderr()).toBe('TOLD by intention\n'.repeat(3))
  })
  it('an app that has asked for nothing has nothing', async () => {
    const program = await start('nothing', version)
    await program.ask('/bad').catch(() => undefined)
    expect(await program.ended).toBe(1)
  })
})

describe('without Express', () => {
  it('what a handler throws at once reaches its error handler', async () => {
    const program = await start('plain')
    for (const path of ['/bad/at-once', '/bad']) expect(await program.ask(path)).toEqual({ status: 500, body: 'own' })
    expect((await program.ask('/ok')).body).toBe('ok')
  })
  it('a handler that takes no error does not run twice', async () => {
    const program = await start('plain without a parameter')
    for (const path of ['/bad/at-once', '/bad']) expect(await program.ask(path)).toMatchObject({ status: 500 })
    expect((await program.ask('/calls')).body).toBe('2')
  })
})

describe('stderr', () => {
  it('has each failure once, with route and id', async () => {
    const program = await start('silent')
    const ids: string[] = []
    for (const path of ['/bad?token=secret', '/bad/at-once']) ids.push((JSON.parse((await program.ask(path)).body) as { instance: string }).instance)
    await program.ask('/ok')
    expect(program.stderr().match(/Error: by intention/g)).toHaveLength(2)
    expect(program.stderr()).toContain(`recovery(): GET /bad has failed (timer, before-headers, passed to the app), id ${ids[0] ?? ''}\nError: by intention\n    at `)
    expect(program.stderr()).toContain(`recovery(): GET /bad/at-once has failed (throw, before-headers, answered), id ${ids[1] ?? ''}\n`)
    expect(program.stderr()).not.toContain('secret')
  })
  it.each([['logged', /^(LOGGED recovery\(\): GET \/bad has failed .*\n)$/], ['unlogged', /^$/]])('is left alone where there is a logger: %s', async (name, text) => {
    const program = await start(name)
    await program.ask('/bad')
    await program.ask('/ok')
    expect(program.stderr()).toMatch(text)
  })
})

describe('isFatal', () => {
  it('is asked of an error whose message is no string', async () => {
    const program = await start('fatal')
    expect(await program.ask('/bad')).toMatchObject({ status: 500 })
    expect(await program.ended).toBe(1)
  })
})
