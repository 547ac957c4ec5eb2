/**
 * An app that answers each request with its method and the bytes of its body, and says which process it is and how it was
 * loaded. The variable APP_MODE makes it misbehave: a file of that name is read when it loads, so that a reload finds another mode.
 * The variable ARRIVALS names a file in which it tells of each request that has an id, at once: see ../arrivals.ts.
 */
import { pbkdf2Sync } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { tellArrivals } from '../arrivals.js'

const tell = tellArrivals()
const mode = process.env['APP_MODE'] === undefined ? '' : readFileSync(process.env['APP_MODE'], 'utf8').trim()
if (mode === 'throws') throw new Error('the new code is broken')
if (mode === 'hangs') await new Promise((resolve) => setTimeout(resolve, 1e9))

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const [path = '', query = ''] = (request.url ?? '').split('?')
  tell?.(request, response)
  let length = 0
  for await (const chunk of request as AsyncIterable<Buffer>) length += chunk.length
  if (path === '/slow') await delay(300)
  if (path === '/work') spend(parseInt(query, 10))
  if (path === '/never') return
  if (path === '/exit') process.exit(3)
  if (mode === '500') response.statusCode = 500
  response.setHeader('Content-Type', 'text/plain')
  response.setHeader('X-Process', process.pid)
  response.setHeader('X-Mode', mode)
  response.end(`${String(request.method)} ${String(length)} ${'.'.repeat(2000)}`)
}

/** Takes so many milliseconds of processor time. */
function spend(milliseconds: number): void {
  const end = process.cpuUsage().user + milliseconds * 1000
  while (process.cpuUsage().user < end);
}

function standStill(until: () => boolean): void {
  while (!until());
}

/** Places where the event loop stands still: in JavaScript, in native code, and until a file exists. */
function standAt(path: string, query: string): void {
  if (path === '/stuck') standStill(() => false)
  if (path === '/stuck-native') pbkdf2Sync('a', 'b', 2 ** 31 - 1, 64, 'sha512')
  if (path === '/stands') standStill(() => existsSync(query))
}

export function app(request: IncomingMessage, response: ServerResponse): void {
  const [path = '', query = ''] = (request.url ?? '').split('?')
  standAt(path, query)
  answer(request, response).catch(() => response.destroy())
}
