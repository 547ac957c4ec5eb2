/**
 * `npm run bench:concurrency-cost`: what `concurrencyLimit()` adds to a request that finds a slot free, in CPU time. A
 * process for each contender, with Node's own HTTP server on connections in memory: all that a request costs in JavaScript,
 * and no kernel, so that microseconds can be seen. The contenders take turns.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { Duplex } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import express, { type RequestHandler } from 'express'
import pLimit from 'p-limit'
import { concurrencyLimit } from 'express-responder/concurrency'

type Middleware = (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => void

const WARM_UP = 30_000
const REQUESTS = 10_000
/** Connections, each with one request at a time. */
const AT_ONCE = 5
const BODY = Buffer.from('Hello World!')
const REQUEST = Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')

const slots = pLimit(64)
const MIDDLEWARE: Readonly<Record<string, () => Middleware>> = {
  'no-op': () => (_request, _response, next) => {
    next()
  },
  'p-limit': () => (_request, response, next) => {
    void slots(() => new Promise<void>((resolve) => {
      response.on('close', resolve)
      next()
    }))
  },
  'fixed': () => concurrencyLimit({ limit: 64 }),
  'auto': () => concurrencyLimit(),
}
const TITLES: Readonly<Record<string, string>> = {
  'no-op': 'a middleware that does nothing',
  'p-limit': 'p-limit alone',
  'fixed': 'concurrencyLimit({ limit: 64 })',
  'auto': 'concurrencyLimit()',
}

/** The end of a connection that the server has: gives it a request each time that the answer to the one before is there. */
class Connection extends Duplex {
  #left = 0
  #done: (() => void) | undefined

  ask(requests: number): Promise<void> {
    this.#left = requests
    this.push(REQUEST)
    return new Promise((resolve) => { this.#done = resolve })
  }

  override _read(): void {
    // Requests are pushed when they are due.
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, written: () => void): void {
    written()
    if (!chunk.subarray(-BODY.length).equals(BODY)) return
    this.#left -= 1
    if (this.#left > 0) setImmediate(() => this.push(REQUEST))
    else this.#done?.()
  }

  setTimeout(): this { return this }
  setNoDelay(): this { return this }
  setKeepAlive(): this { return this }
}

function listener(face: string, middleware: Middleware | undefined): RequestListener {
  if (face === 'Express') {
    const app = express()
    app.disable('x-powered-by')
    if (middleware !== undefined) app.use(middleware as RequestHandler)
    app.get('/', (_request, response) => { response.type('text/plain').send(BODY.toString()) })
    return app
  }
  const handle = (response: ServerResponse): void => {
    response.setHeader('Content-Type', 'text/plain')
    response.end(BODY.toString())
  }
  if (middleware === undefined) return (_request, response) => { handle(response) }
  return (request, response) => { middleware(request, response, () => { handle(response) }) }
}

async function serve(face: string, name: string): Promise<void> {
  const server = createServer(listener(face, MIDDLEWARE[name]?.()))
  const connections = Array.from({ length: AT_ONCE }, () => new Connection())
  for (const connection of connections) server.emit('connection', connection)
  const ask = async (requests: number): Promise<number> => {
    const before = process.cpuUsage()
    await Promise.all(connections.map((connection) => connection.ask(requests / AT_ONCE)))
    const { user, system } = process.cpuUsage(before)
    return (user + system) / requests
  }
  await ask(WARM_UP)
  process.on('message', () => void ask(REQUESTS).then((cost) => process.send?.(cost)))
  process.send?.('ready')
}

async function measure(child: ChildProcess): Promise<number> {
  child.send('again')
  const [cost] = (await once(child, 'message')) as [number]
  return cost
}

function spread(values: readonly number[]): string {
  const sorted = [...values].sort((one, other) => one - other)
  const [median, least, most] = [sorted[sorted.length >> 1], sorted[0], sorted.at(-1)].map((value) => value?.toFixed(2) ?? '')
  return `${median ?? ''} (${least ?? ''}–${most ?? ''})`
}

async function compare(face: string, rounds: number, node: string): Promise<void> {
  const program = fileURLToPath(import.meta.url)
  const children = new Map<string, ChildProcess>()
  for (const name of ['none', ...Object.keys(MIDDLEWARE)]) {
    const child = fork(program, ['--serve', name, '--face', face], { execPath: node })
    await once(child, 'message')
    children.set(name, child)
  }
  const costs = new Map<string, number[]>([...children.keys()].map((name) => [name, []]))
  for (let round = 0; round < rounds; round++) {
    for (const [name, child] of children) costs.get(name)?.push(await measure(child))
  }
  for (const child of children.values()) child.kill()
  const base = costs.get('none') ?? []
  process.stdout.write(`${face}: the request itself ${spread(base)}\n`)
  for (const [name, title] of Object.entries(TITLES)) {
    const added = (costs.get(name) ?? []).map((cost, round) => cost - (base[round] ?? NaN))
    process.stdout.write(`  added by ${title}: ${spread(added)}\n`)
  }
}

const { values } = parseArgs({ options: {
  serve: { type: 'string' }, face: { type: 'string', default: 'plain http' },
  rounds: { type: 'string', default: '21' }, node: { type: 'string', default: process.execPath },
} })
if (values.serve !== undefined) {
  await serve(values.face, values.serve)
} else {
  process.stdout.write(`µs of CPU a request, medians of ${values.rounds} rounds of ${String(REQUESTS)} (least–most), ${values.node}\n`)
  for (const face of ['plain http', 'Express']) await compare(face, Number(values.rounds), values.node)
}
