/**
 * `npm run bench:concurrency-cost`: what `concurrencyLimit()` adds to a request that finds a slot free, in CPU time. Real
 * request and response objects without a network, so that microseconds can be seen: many exchanges with each of the
 * contenders in turn, beside the same exchanges with nothing in the way.
 */
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { cpuUsage } from 'node:process'
import pLimit from 'p-limit'
import { concurrencyLimit } from 'express-responder/middleware'

type Handler = (request: IncomingMessage, response: ServerResponse, next: () => void) => void

const ROUNDS = 15
const EXCHANGES = 50_000
/** So many are on their way at a time. */
const AT_ONCE = 5
/** A kept connection carries so many. */
const PER_CONNECTION = 100

const slots = pLimit(64)
const CONTENDERS: Readonly<Record<string, Handler>> = {
  'nothing': (_request, _response, next) => {
    next()
  },
  'p-limit alone': (_request, response, next) => {
    void slots(() => new Promise<void>((resolve) => {
      response.on('finish', resolve)
      next()
    }))
  },
  'limit: 64': concurrencyLimit({ limit: 64 }),
  "limit: 'auto'": concurrencyLimit(),
}

/** Microseconds of CPU an exchange. */
async function measure(handler: Handler): Promise<number> {
  const before = cpuUsage()
  let socket = new Socket()
  for (let done = 0; done < EXCHANGES; done += AT_ONCE) {
    if (done % PER_CONNECTION === 0) socket = new Socket()
    const responses: ServerResponse[] = []
    for (let index = 0; index < AT_ONCE; index++) {
      const request = new IncomingMessage(socket)
      request.url = '/'
      request.method = 'GET'
      request.httpVersionMajor = 1
      const response = new ServerResponse(request)
      responses.push(response)
      handler(request, response, doNothing)
    }
    // p-limit calls back a microtask later, and no response is sent before that.
    await new Promise(setImmediate)
    for (const response of responses) response.emit('finish')
    await new Promise(setImmediate)
  }
  const { user, system } = cpuUsage(before)
  return (user + system) / EXCHANGES
}

function doNothing(): void {
  // The handler of the app: it has nothing to do here.
}

function median(values: readonly number[]): number {
  return [...values].sort((one, other) => one - other)[values.length >> 1] ?? NaN
}

const names = Object.keys(CONTENDERS)
const seen = new Map<string, number[]>(names.map((name) => [name, []]))
for (let round = 0; round <= ROUNDS; round++) {
  const base = await measure(CONTENDERS['nothing'] ?? doNothing)
  for (const name of names.slice(1)) {
    const cost = await measure(CONTENDERS[name] ?? doNothing) - base
    if (round > 0) seen.get(name)?.push(cost)
  }
  if (round > 0) seen.get('nothing')?.push(base)
}
process.stdout.write(`Node ${process.version}, ${String(ROUNDS)} rounds of ${String(EXCHANGES)} exchanges; µs of CPU an exchange, median (least–most)\n`)
for (const [name, values] of seen) {
  const spread = [median(values), Math.min(...values), Math.max(...values)].map((value) => value.toFixed(2))
  process.stdout.write(`${name === 'nothing' ? 'the exchange itself' : `added by ${name}`}: ${String(spread[0])} (${String(spread[1])}–${String(spread[2])})\n`)
}
