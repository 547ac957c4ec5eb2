/** When a process that recovers too often stops: no new requests, the open ones answered, exit status 1. */
import type { Server } from 'node:http'
import { attempt } from '../shared/safe-call.js'

interface Closable {
  close(callback?: () => void): unknown
  closeIdleConnections?(): void
  /** Keeps no connection beyond its open requests; servers that multiplex have it. */
  drain?(): void
}

/** How often connections that have become idle are looked for, in milliseconds. */
const SWEEP_INTERVAL_MS = 50

/** Counts what happened within the last `windowMs`. */
export class FailureBudget {
  readonly #max: number
  readonly #length: number
  readonly #times: number[] = []

  constructor(max: number, windowMs: number) {
    this.#max = max
    this.#length = windowMs
  }

  /** Adds one at `now`, in milliseconds; true where that is more than `max`. */
  add(now: number): boolean {
    this.#times.push(now)
    while ((this.#times[0] ?? now) <= now - this.#length) this.#times.shift()
    return this.#times.length > this.#max
  }
}

/** Stops the servers, waits until they are closed or the time is over, and ends the process with status 1. */
export function giveUp(servers: Iterable<Server>, drainTimeout: number, exit: (status: number) => void): void {
  const open = new Set<Closable>(servers)
  const end = (): void => {
    clearInterval(sweep)
    clearTimeout(limit)
    exit(1)
  }
  const idle = (): void => {
    for (const server of open) attempt(() => server.closeIdleConnections?.(), undefined)
  }
  const sweep = setInterval(idle, SWEEP_INTERVAL_MS)
  const limit = setTimeout(end, drainTimeout)
  for (const server of [...open]) {
    attempt(() => server.drain?.(), undefined)
    const closed = (): void => {
      open.delete(server)
      if (open.size === 0) end()
    }
    attempt(() => server.close(closed), undefined)
  }
  idle()
  if (open.size === 0) end()
}
