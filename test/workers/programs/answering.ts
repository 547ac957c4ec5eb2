/**
 * An app that answers each request with its method and the bytes of its body, and says which process it is and how it was
 * loaded. The variable APP_MODE makes it misbehave: a file of that name is read when it loads, so that a reload finds another mode.
 */
import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'

const mode = process.env['APP_MODE'] === undefined ? '' : readFileSync(process.env['APP_MODE'], 'utf8').trim()
if (mode === 'throws') throw new Error('the new code is broken')
if (mode === 'hangs') await new Promise((resolve) => setTimeout(resolve, 1e9))

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  let length = 0
  for await (const chunk of request as AsyncIterable<Buffer>) length += chunk.length
  if (request.url === '/slow') await delay(300)
  const work = /^\/work\?(\d+)$/.exec(request.url ?? '')
  if (work !== null) spend(Number(work[1]))
  if (request.url === '/never') return
  if (request.url === '/exit') process.exit(3)
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

function standStill(): void {
  for (;;);
}

export function app(request: IncomingMessage, response: ServerResponse): void {
  if (request.url === '/stuck') standStill()
  answer(request, response).catch(() => response.destroy())
}
