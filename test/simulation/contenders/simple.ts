/** No limiter at all; p-limit alone, around the handler; and a bounded first-in-first-out queue. */
import pLimit from 'p-limit'
import type { Contender, ContenderKind, Visit } from '../contender.js'
import { Fifo } from '../fifo.js'

export const none: ContenderKind = {
  name: 'none',
  create: () => ({
    arrive(visit) {
      visit.start()
    },
    release: () => undefined,
    leave: () => undefined,
  }),
}

/** More than p-limit needs from the end of one function to the start of the next. */
const MICROTASKS = 8

/** `limit(() => handled)`, with the queue that it has: without a bound. */
export function pLimitAlone(concurrency: number): ContenderKind {
  return { name: `p-limit(${String(concurrency)})`, create: () => new PLimit(concurrency) }
}

class PLimit implements Contender {
  readonly #limit: ReturnType<typeof pLimit>
  readonly #done = new Map<Visit, () => void>()

  constructor(concurrency: number) {
    this.#limit = pLimit(concurrency)
  }

  arrive(visit: Visit): void {
    void this.#limit(async () => {
      if (visit.clientLeft) return
      const over = new Promise<void>((resolve) => {
        this.#done.set(visit, resolve)
      })
      visit.start()
      await over
    })
  }

  release(visit: Visit): void {
    this.#done.get(visit)?.()
    this.#done.delete(visit)
  }

  leave(): void {
    return undefined
  }

  async settle(): Promise<void> {
    for (let hop = 0; hop < MICROTASKS; hop += 1) await Promise.resolve()
  }
}

/** So many at once, so many waiting in turn, the others rejected: express-queue, HAProxy's maxconn and maxqueue. */
export function boundedFifo(concurrency: number, bound: number): ContenderKind {
  return { name: `FIFO(${String(concurrency)}, ${String(bound)})`, create: () => new BoundedFifo(concurrency, bound) }
}

class BoundedFifo implements Contender {
  readonly #concurrency: number
  readonly #bound: number
  readonly #waiting = new Fifo<Visit>()
  #gone = 0
  #active = 0
  #draining = false

  constructor(concurrency: number, bound: number) {
    this.#concurrency = concurrency
    this.#bound = bound
  }

  arrive(visit: Visit): void {
    if (this.#active < this.#concurrency) {
      this.#active += 1
      visit.start()
    } else if (this.#waiting.length - this.#gone < this.#bound) {
      this.#waiting.push(visit)
    } else {
      visit.reject()
    }
  }

  release(): void {
    this.#active -= 1
    if (this.#draining) return
    this.#draining = true
    while (this.#active < this.#concurrency) {
      const next = this.#waiting.shift()
      if (next === undefined) break
      if (next.clientLeft) {
        this.#gone -= 1
        continue
      }
      this.#active += 1
      next.start()
    }
    this.#draining = false
  }

  leave(): void {
    this.#gone += 1
  }
}
