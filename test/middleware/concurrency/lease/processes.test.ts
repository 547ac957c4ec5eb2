/** Processes that lease one cap from a real Redis, under load: whatever happens to them and to it, how many run at once. */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import http from 'node:http'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, it } from '@jest/globals'
import type { LeaseState } from '../../../../middleware/concurrency.js'
import { describeIfInstalled } from '../../../proxies/support/installed.js'
import { RedisServer, REDIS } from '../../../support/redis-server.js'
import { Downstream } from '../downstream.js'
import type { News, WorkerOptions } from '../programs/lease-worker.js'

const TTL = 2000
/** For a busy machine. */
const LONG = 120_000
const program = fileURLToPath(new URL('../programs/lease-worker.js', import.meta.url))

const listeners = new Set<() => void>()
function changed(): void {
  for (const listener of listeners) listener()
}

/** Until it holds; looked at when anything happens. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) {
    await new Promise<void>((resolve) => {
      const listener = (): void => {
        listeners.delete(listener)
        resolve()
      }
      listeners.add(listener)
    })
  }
}

class Worker {
  readonly name: string
  readonly child: ChildProcess
  readonly states: LeaseState[] = []
  port = 0
  limit = 0
  answered = 0

  constructor(name: string, options: WorkerOptions) {
    this.name = name
    this.child = fork(program, [name, JSON.stringify(options)], { execArgv: [] })
    this.child.on('message', (news: News) => {
      if ('port' in news) this.port = news.port
      else if ('limit' in news) this.limit = news.limit
      else this.states.push(news.lease.state)
      changed()
    })
  }

  get state(): LeaseState | undefined {
    return this.states.at(-1)
  }

  /** Asks and, if it lives and the client does not leave, is answered. */
  async ask(signal?: AbortSignal): Promise<void> {
    try {
      const request = http.get({ port: this.port, host: '127.0.0.1', agent: false, ...signal !== undefined && { signal } })
      const [response] = await once(request, 'response') as [http.IncomingMessage]
      response.resume()
      await once(response, 'end')
      this.answered += 1
    } catch {
      // Killed, or left.
    }
    changed()
  }

  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    const exit = once(this.child, 'exit')
    this.child.kill('SIGKILL')
    await exit
  }
}

describeIfInstalled(REDIS, 'processes that lease one cap', () => {
  let redis: RedisServer
  let downstream: Downstream
  const workers: Worker[] = []
  let loading = false

  beforeEach(async () => {
    redis = await RedisServer.start()
    downstream = await Downstream.start()
    downstream.onChange = changed
  })
  afterEach(async () => {
    loading = false
    await Promise.all(workers.splice(0).map((worker) => worker.kill()))
    downstream.stop()
    await redis.stop()
  })

  async function start(names: string[], limit: number): Promise<Worker[]> {
    const started = names.map((name) => new Worker(name, { redis: redis.port, downstream: downstream.port, limit, ttl: TTL }))
    workers.push(...started)
    await until(() => started.every(({ port }) => port > 0))
    return started
  }
  async function held(): Promise<void> {
    await until(() => workers.every(({ state }) => state === 'held'))
  }
  /** So many clients each ask one worker after the other, again and again. */
  function load(clients: number): void {
    loading = true
    for (let client = 0; client < clients; client++) void beClient(client)
  }
  async function beClient(first: number): Promise<void> {
    for (let turn = first; loading; turn++) {
      const worker = workers[turn % workers.length]
      if (worker === undefined) return
      await worker.ask()
      await new Promise(setImmediate)
    }
  }
  /** Until each has answered so many more. */
  async function more(count: number): Promise<void> {
    const goals = workers.map((worker) => [worker, worker.answered + count] as const)
    await until(() => goals.every(([worker, goal]) => worker.answered >= goal))
  }

  it('never run more than the limit at once, though some are killed; and use all of it again', async () => {
    await start(['a', 'b', 'c'], 5)
    load(24)
    await held()
    await more(60)
    await until(() => downstream.most === 5)
    for (const name of ['d', 'e']) {
      const [victim] = workers.splice(0, 1)
      await victim?.kill()
      expect(downstream.most).toBe(5)
      downstream.most = 0
      await start([name], 5)
      await more(40)
      await until(() => downstream.most === 5)
    }
    expect(downstream.most).toBe(5)
  }, LONG)

  it('never run more than the limit at once while Redis is away, nor when it comes back, with its data or without', async () => {
    await start(['a', 'b', 'c'], 5)
    load(24)
    await held()
    await more(20)
    redis.pause()
    await until(() => workers.every(({ state }) => state === 'away'))
    await until(() => workers.every(({ limit }) => limit === 1))
    await more(20)
    redis.resume()
    await held()
    await more(20)
    const { port } = redis
    await redis.stop()
    await until(() => workers.every(({ state }) => state === 'away'))
    redis = await RedisServer.start(port)
    await until(() => workers.every(({ state }) => state === 'settling' || state === 'held'))
    await start(['newcomer'], 5)
    await held()
    await more(20)
    expect(downstream.most).toBe(5)
  }, LONG)

  it('one that was stopped for longer than its lease starts nothing while others have its slots', async () => {
    const [one, other] = await start(['stopped', 'other'], 4)
    await held()
    downstream.holding = true
    const impatient = new AbortController()
    for (let count = 0; count < 2; count++) void one?.ask(impatient.signal)
    await until(() => downstream.of('stopped') === 2)
    for (let count = 0; count < 4; count++) void one?.ask()
    await until(() => downstream.of('stopped') === 4)
    one?.child.kill('SIGSTOP')
    for (let count = 0; count < 4; count++) void other?.ask()
    // What runs in the stopped one still runs: nobody could end it.
    await until(() => downstream.of('other') === 4)
    const over: number[] = []
    downstream.onChange = (came) => {
      if (came && downstream.running.length > 4) over.push(downstream.running.length)
      changed()
    }
    // Two of its slots are free as soon as it goes on, and two requests wait for one.
    impatient.abort()
    one?.child.kill('SIGCONT')
    await until(() => one?.states.includes('lapsed') === true && one.state === 'held' && downstream.of('stopped') === 2)
    for (let count = 0; count < 2; count++) downstream.release('stopped')
    await until(() => one?.answered === 2)
    for (let count = 0; count < 4; count++) downstream.release('other')
    await until(() => downstream.of('stopped') === 2)
    downstream.release('stopped')
    downstream.release('stopped')
    await until(() => one?.answered === 4 && other?.answered === 4)
    expect(over).toEqual([])
  }, LONG)
})
