/** What a site sees of recovery(), beside the matrix: each case in a process of its own. */
import { afterEach, describe, expect, it } from '@jest/globals'
import net from 'node:net'
import type { Setting } from './failing-program.js'
import { FailingProcess, get } from './failing-process.js'

const programs: FailingProcess[] = []

afterEach(async () => {
  await Promise.all(programs.splice(0).map((program) => program.stop()))
})

async function start(setting: Partial<Setting> = {}, flags: readonly string[] = []): Promise<FailingProcess> {
  const program = await FailingProcess.start({ express: 5, protocol: 'http', first: true, last: true, ...setting }, { flags })
  programs.push(program)
  return program
}

describe.each([4, 5] as const)('on Express %d', (express) => {
  it('without it the first late failure ends the process', async () => {
    const program = await start({ express, first: false, last: false })
    await get(program.path, '/fail/timer/before-headers')
    expect(await program.ended).toMatchObject({ code: 1, stderr: expect.stringContaining('by intention') })
  })
  it.each(['throw', 'next(error)', 'rejected handler'])('errors() alone answers: %s', async (kind) => {
    const program = await start({ express, first: false })
    const { status, body } = await get(program.path, `/fail/${kind}/before-headers`.replaceAll(' ', '%20'))
    expect([status, JSON.parse(body)]).toEqual([500, { title: 'Internal Server Error', status: 500, instance: expect.stringMatching(/^urn:uuid:/) }])
    expect(await program.innocents(3)).toEqual([])
  })
  it("the app's own error middleware answers late failures", async () => {
    const program = await start({ express, own: 'answers' })
    expect(await get(program.path, '/fail/timer/before-headers')).toMatchObject({ status: 500, body: 'own by intention' })
    await program.until(() => program.reports.length > 0)
    expect(program.reports).toMatchObject([{ late: true, outcome: 'passed to the app', route: '/fail/:kind/:phase' }])
  })
  it("the app's own error middleware may take its time, also where more of the same request fails meanwhile", async () => {
    const program = await start({ express, own: 'answers later' })
    expect(await get(program.path, '/fail/interval that goes on/before-headers'.replaceAll(' ', '%20'))).toMatchObject({ status: 500, body: 'own by intention' })
    await program.until(() => program.reports.length > 2)
    expect(program.reports.map(({ outcome }) => outcome)).toEqual(['passed to the app', 'reported only', 'reported only'])
  })
  it('where that does not answer in time, the built-in answer does', async () => {
    const program = await start({ express, own: 'waits', options: { answerTimeout: 20 } })
    const { status, headers } = await get(program.path, '/fail/timer/before-headers')
    expect([status, headers['content-type']]).toEqual([500, 'application/problem+json'])
  })
  it('where that fails itself, too', async () => {
    const program = await start({ express, own: 'throws' })
    expect(await get(program.path, '/fail/timer/before-headers')).toMatchObject({ status: 500 })
    expect(await program.innocents(3)).toEqual([])
  })
})

it('trackPromises: a promise that is rejected outside of its request fails the request that made it, also once that is over', async () => {
  const program = await start({ options: { intensity: false, trackPromises: true } })
  const path = (phase: string): string => `/fail/promise that is rejected elsewhere/${phase}`.replaceAll(' ', '%20')
  for (let time = 1; time <= 3; time++) expect(await get(program.path, path('before-headers'))).toMatchObject({ status: 500 })
  expect(await get(program.path, path('after-response'))).toMatchObject({ status: 200 })
  await program.until(() => program.reports.length > 3)
  const early = { kind: 'rejection', phase: 'before-headers' }
  expect(program.reports).toMatchObject([early, early, early, { kind: 'rejection', phase: 'after-response' }])
  expect(await program.innocents(3)).toEqual([])
})

it("an 'end' listener that is added to the request after its response is that request's", async () => {
  const program = await start({ options: { intensity: false } })
  const path = "/fail/request 'end'/after-response".replaceAll(' ', '%20')
  for (let time = 1; time <= 3; time++) expect(await get(program.path, path, { method: 'POST' }, 'body')).toMatchObject({ status: 200, body: 'done' })
  await program.until(() => program.reports.length >= 3)
  expect(program.reports.map(({ kind, phase }) => [kind, phase])).toEqual(Array(3).fill(['emitter', 'after-response']))
  expect(await program.innocents(3)).toEqual([])
})

describe('ABORT', () => {
  it.each(['http', 'fastcgi'] as const)('ends the request without an answer and without a report: %s', async (protocol) => {
    const program = await start({ protocol })
    if (protocol === 'http') expect(await get(program.path, '/abort')).toMatchObject({ status: 0 })
    expect(await program.innocents(3)).toEqual([])
    expect(program.reports).toEqual([])
  })
})

describe('what belongs to no request', () => {
  it('ends the process with the same words as without recovery()', async () => {
    const ends = await Promise.all([true, false].map(async (first) => {
      const program = await start({ first, last: false })
      await get(program.path, '/stranger')
      const { code, stderr } = await program.ended
      return { code, stderr }
    }))
    expect(ends[0]).toEqual(ends[1])
    expect(ends[0]).toMatchObject({ code: 1, stderr: expect.stringMatching(/throw new Error\('of nobody'\)[\s\S]*\^[\s\S]*Error: of nobody[\s\S]*Node\.js v/) })
  })
  it('is left to other listeners, who do not hear of what belongs to one', async () => {
    const listener = 'data:text/javascript,process.on("uncaughtException",(e)=>process._rawDebug("heard",e.message))'
    const program = await start({}, ['--import', listener])
    await get(program.path, '/stranger')
    await get(program.path, '/fail/timer/before-headers')
    expect(await program.innocents(3)).toEqual([])
    await program.stop()
    expect(program.end?.stderr).toBe('heard of nobody\n')
  })
})

describe('unhandled rejections', () => {
  it.each(['throw', 'strict', 'warn', 'none'])('are recovered from once, in the mode %s', async (mode) => {
    const program = await start({}, [`--unhandled-rejections=${mode}`])
    const { status } = await get(program.path, '/fail/rejection%20nobody%20awaits/before-headers')
    expect(status).toBe(500)
    expect(await program.innocents(3)).toEqual([])
    expect(program.reports.map(({ kind }) => kind)).toEqual(['rejection'])
  })
})

describe('the context of a request', () => {
  it.each(['nextTick', "response 'finish'", "response 'close'"])('does not leak into what comes after: %s', async (kind) => {
    const program = await start({ last: false })
    const phase = kind === 'nextTick' ? 'before-headers' : 'after-response'
    await get(program.path, `/fail/${encodeURIComponent(kind)}/${phase}`)
    await program.until(() => program.reports.length === 1)
    const outside = await Promise.all(Array.from({ length: 10 }, () => get(program.path, '/outside')))
    expect(outside.map(({ body }) => body)).toEqual(Array(10).fill('nobody'))
  })
})

describe('giving up', () => {
  it('after too many late failures: the open request is answered, nobody else is let in, status 1', async () => {
    const program = await start({ options: { intensity: { max: 2, windowMs: 60_000 } } })
    const slow = get(program.path, '/slow')
    for (const kind of ['timer', 'fs', 'emitter']) await get(program.path, `/fail/${kind}/before-headers`)
    await program.message('give-up')
    expect(await slow).toMatchObject({ status: 200, body: 'slow' })
    expect((await program.ended).code).toBe(1)
    expect(program.reports).toHaveLength(3)
  })
  it('over FastCGI, where connections are kept', async () => {
    const program = await start({ protocol: 'fastcgi', options: { intensity: { max: 0, windowMs: 60_000 } } })
    const slow = program.innocents(4)
    const { FastCgiClient } = await import('../../support/fastcgi-client.js')
    const { nginxParams } = await import('../../support/nginx-params.js')
    const client = await FastCgiClient.connect(program.path)
    expect((await client.request({ params: nginxParams({ url: '/fail/timer/before-headers' }) })).status).toBe(500)
    expect(await slow).toEqual([])
    expect((await program.ended).code).toBe(1)
  })
  it('at once where memory could not be had, and with intensity false', async () => {
    const program = await start({ options: { intensity: false } })
    expect(await get(program.path, '/memory')).toMatchObject({ status: 500 })
    expect((await program.ended).code).toBe(1)
  })
  it('a request on a kept connection gets 503 meanwhile', async () => {
    const program = await start({ options: { intensity: { max: 0, windowMs: 60_000 } } })
    const socket = net.connect(program.path).setEncoding('latin1')
    let text = ''
    const closed = new Promise((resolve) => socket.on('close', resolve))
    socket.on('data', (chunk: string) => (text += chunk))
    // The second one is read while the first is still open.
    socket.write('GET /slow HTTP/1.1\r\nHost: a\r\n\r\n')
    await get(program.path, '/fail/timer/before-headers')
    socket.write('GET /innocent/2 HTTP/1.1\r\nHost: a\r\n\r\n')
    await closed
    expect(text).toMatch(/^HTTP\/1.1 200 OK[\s\S]*slow[\s\S]*HTTP\/1.1 503 /)
    expect((await program.ended).code).toBe(1)
  })
})

describe('an upload that fails early', () => {
  it('gets its answer, every time', async () => {
    const program = await start({ options: { intensity: false } })
    const body = Buffer.alloc(10 * 1024 * 1024, 'u')
    for (let attempt = 0; attempt < 20; attempt++) {
      const seen = await get(program.path, '/upload', { method: 'POST', headers: { 'content-length': body.length } }, body)
      expect(seen).toMatchObject({ status: 500, complete: true, headers: { connection: 'close' } })
    }
    expect(await program.innocents(3)).toEqual([])
  })
})

describe('under load', () => {
  it('late failures in a row: the process lives, and no innocent request is wrong', async () => {
    const program = await start({ options: { intensity: false } })
    for (let round = 0; round < 20; round++) {
      const [failed, innocents] = await Promise.all([
        Promise.all(Array.from({ length: 20 }, () => get(program.path, '/fail/timer/before-headers'))),
        program.innocents(20),
      ])
      expect(failed.filter(({ status }) => status !== 500)).toEqual([])
      expect(innocents).toEqual([])
    }
    expect((await program.memory()).total).toBe(400)
  })
})
