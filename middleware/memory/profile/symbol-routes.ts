/** `/symbol`, as Go's pprof.Symbol: which functions are at these addresses? */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { sendPprofProblem } from '../pprof-problem.js'
import type { Route } from '../route.js'
import { send } from '../routes/send.js'
import { whileConnected } from './answers.js'
import { rawQuery } from './parameters.js'
import type { SymbolTable } from './symbols.js'

/** Octets of a list of addresses: some 60,000 of them. */
const MOST_BODY = 1024 * 1024

export function symbolRoutes(symbols: SymbolTable): Route[] {
  return [
    { method: 'GET', path: 'symbol', pprof: true, expensive: false, handle: (request, response) => { answer(response, rawQuery(request.url ?? ''), symbols) } },
    { method: 'POST', path: 'symbol', pprof: true, expensive: false, handle: (request, response) => post(request, response, symbols) },
  ]
}

async function post(request: IncomingMessage, response: ServerResponse, symbols: SymbolTable): Promise<void> {
  const list = await whileConnected(response, () => bodyOf(request))
  if (response.destroyed) return
  if (list === undefined) sendPprofProblem(request, response, { status: 413, detail: `At most ${String(MOST_BODY)} octets of addresses.` })
  else answer(response, list, symbols)
}

/** pprof wants a number of symbols that is not 0, and else takes the names that are there. */
function answer(response: ServerResponse, list: string, symbols: SymbolTable): void {
  const lines = ['num_symbols: 1']
  for (const word of list.split('+')) {
    const address = /^\s*(?:0x[0-9a-f]{1,13}|\d{1,15})\s*$/i.test(word) ? Number(word) : NaN
    const name = symbols.nameAt(address)
    if (name !== undefined) lines.push(`0x${address.toString(16)} ${name}`)
  }
  send(response, { type: 'text/plain; charset=utf-8' }, `${lines.join('\n')}\n`)
}

/** Undefined where it is too long; it is then read all the same, so that the client gets to the answer. */
async function bodyOf(request: IncomingMessage & { body?: unknown }): Promise<string | undefined> {
  // A body parser of the app's may have been there before.
  if (typeof request.body === 'string' || Buffer.isBuffer(request.body)) {
    return request.body.length <= MOST_BODY ? request.body.toString() : undefined
  }
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length <= MOST_BODY) chunks.push(chunk)
  }
  return length <= MOST_BODY ? Buffer.concat(chunks).toString('latin1') : undefined
}
