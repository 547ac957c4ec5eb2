/**
 * An app that says on stdout that it is being loaded, in which process, and by the file that LOADING names whether it goes on:
 * `wait` waits until the file says something else, `block` stands still for ever.
 */
import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'

function wish(): string {
  return readFileSync(process.env['LOADING'] ?? '', 'utf8')
}

process.stdout.write(`loading ${String(process.pid)}\n`)
while (wish() === 'wait') await delay(20)
while (wish() === 'block');

export function app(request: IncomingMessage, response: ServerResponse): void {
  if (request.url !== '/never') response.end('done')
}
