/** The status of a real pool of workers, whose workers are asked, killed and replaced. */
import { mkdtempSync, rmSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { spawn, type ChildProcess } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import supertest from 'supertest'
import { gateway } from 'express-responder'
import type { StatusSnapshot } from '../../lib/status/snapshot.js'
import { readOpenMetrics } from './open-metrics-reader.js'

describe('the status of a real pool', () => {
  let directory: string
  let primary: ChildProcess
  let client: ReturnType<typeof supertest>

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'pool-'))
    primary = spawn(process.execPath, [fileURLToPath(new URL('programs/primary.js', import.meta.url)), directory], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    expect(await once(primary, 'message')).toEqual(['ready', undefined])
    client = supertest(gateway(join(directory, 'app.sock')))
  })

  afterAll(async () => {
    const ended = once(primary, 'exit')
    primary.send('stop')
    await ended
    rmSync(directory, { recursive: true, force: true })
  })

  async function ask(path: string): Promise<string> {
    const [response] = await once(httpRequest({ socketPath: join(directory, 'status.sock'), path, agent: false }).end(), 'response') as [AsyncIterable<Buffer>]
    let body = ''
    for await (const chunk of response) body += String(chunk)
    return body
  }

  /** Asks until it is as wanted: workers report once a second. */
  async function status(isWanted: (snapshot: StatusSnapshot) => boolean): Promise<StatusSnapshot> {
    for (;;) {
      const snapshot = JSON.parse(await ask('/status.json')) as StatusSnapshot
      if (isWanted(snapshot)) return snapshot
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }

  async function accepted(): Promise<number> {
    const family = readOpenMetrics(await ask('/metrics')).get('express_responder_concurrency_limit_accepted')
    return family?.samples[0]?.value ?? 0
  }

  it('has no active request of workers that nobody has asked: the one that each was tried with is over', async () => {
    const { workers } = await status(({ workers: each }) => each.every(({ report }) => report !== null))
    expect(workers.map(({ report }) => report?.active)).toEqual([0, 0])
  })

  it('tells what the middlewares of both workers have counted', async () => {
    for (let index = 0; index < 20; index++) await client.get('/').expect(200)
    await client.get('/fails').expect(500)
    const { workers, totals, ready, unanswered, state } = await status((snapshot) => snapshot.totals.requests >= 21 && snapshot.totals.recovered > 0)
    expect({ ready, unanswered, state }).toEqual({ ready: true, unanswered: 0, state: 'ready' })
    expect(workers.map(({ worker, state: own, answered, caps, memory }) => ({ worker, own, answered, limit: caps[0]?.limit, verdict: memory?.state }))).toEqual([
      { worker: 0, own: 'ready', answered: true, limit: 5, verdict: 'warming' }, { worker: 1, own: 'ready', answered: true, limit: 5, verdict: 'warming' },
    ])
    expect(totals).toMatchObject({ requests: 21, serverErrors: 1, recovered: 1 })
    expect(await accepted()).toBeGreaterThanOrEqual(21)
    expect(await ask('/status?full')).toMatch(/^recovered: +1 × throw at \/fails$/m)
  })

  it('keeps the counters of a worker that was killed, and has the one that takes its place', async () => {
    const before = await accepted()
    const { workers: [first], totals } = await status(() => true)
    process.kill(first?.pid ?? 0, 'SIGKILL')
    const { workers, ends, totals: after } = await status((snapshot) => snapshot.ends.died === 1 && snapshot.workers.filter(({ state }) => state === 'ready').length === 2)
    expect(workers.map(({ pid }) => pid)).not.toContain(first?.pid)
    expect(ends).toMatchObject({ died: 1 })
    expect(after.requests).toBeGreaterThanOrEqual(totals.requests)
    expect(await accepted()).toBeGreaterThanOrEqual(before)
  })
})
