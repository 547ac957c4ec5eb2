/** Requests that are given up: what is noted of them, and a client that leaves. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Stage } from './compare.js'
import { codeOf, type Journal } from './journal.js'
import { requestState, responseState } from './states.js'

/** Notes all that happens to a request and its response. Errors are listened to, or they would end the process. */
export function watch(req: IncomingMessage, res: ServerResponse, journal: Journal): void {
  for (const event of ['aborted', 'end', 'close', 'error']) {
    req.on(event, (error?: unknown) => {
      journal.note(`req ${event}`, [codeOf(error), requestState(req)])
    })
  }
  for (const event of ['finish', 'close', 'error']) {
    res.on(event, (error?: unknown) => {
      journal.note(`res ${event}`, [codeOf(error), responseState(res)])
    })
  }
}

export const names = (entries: string[]): string[] => entries.map((entry) => entry.replace(/ [[{"].*/, ''))

/** A client that asks, waits for a sign of the app, and leaves. */
export async function leaveAfter({ client, journal }: Stage, label: string, start: { method?: string; part?: string } = {}): Promise<void> {
  const { method = 'GET', part } = start
  const request = client.open({ method, headers: part === undefined ? {} : { 'Content-Length': 1000 } })
  if (part === undefined) request.end()
  else request.write(part)
  await journal.until(label)
  request.destroy()
}

/** Of whatever realm. */
export function isSignal(value: unknown): value is AbortSignal {
  return typeof value === 'object' && value !== null && 'aborted' in value && 'addEventListener' in value
}
