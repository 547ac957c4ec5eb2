/**
 * The failure budget: how many late failures a process may have in a time. When they are more, the process gives up: it
 * takes no new requests, answers the open ones, and exits with status 1.
 */
import type { Server } from 'node:http'
import { attempt } from '../shared/safe-call.js'

interface Closable {
  close(callback?: () => void): unknown
  closeIdleConnections?(): void
  /** Closes each connection when its open requests are over. Servers that multiplex requests have it. */
  drain?(): void
}

/** Milliseconds between two searches for connections that have become idle. */
const SWEEP_INTERVAL_MS = 50

/** Counts the failures of the last `windowMs` milliseconds. */
export class FailureBudget {
  readonly #max: number
  readonly #length: number
  readonly #times: number[] = []

  constructor(max: number, windowMs: number) {
    this.#max = max
    this.#length = windowMs
  }

  /** Adds a failure at `now`, in milliseconds. True where they are more than `max`. */
  add(now: number): boolean {
    this.#times.push(now)
    while ((this.#times[0] ?? now) <= now - this.#length) this.#times.shift()
    return this.#times.length > this.#max
  }
}

/**
 * Stops the servers, waits until they are closed or `drainTimeout` milliseconds are over, and ends the process with
 * status 1.
 */
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
