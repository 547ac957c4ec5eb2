/** `limit: 'auto'`: the gate, the gradient limit and the waiting room. */
import { Gate } from '../../../middleware/concurrency/gate.js'
import { Gradient } from '../../../middleware/concurrency/gradient.js'
import { Pressure } from '../../../middleware/concurrency/pressure.js'
import type { Contender, ContenderKind, Visit } from '../contender.js'
import type { EventLoop } from '../event-loop.js'

const LEAST_ROOM = 20

export const adaptive: ContenderKind = { name: 'concurrencyLimit', create: (loop) => new Adaptive(loop) }

class Adaptive implements Contender {
  readonly #loop: EventLoop
  readonly #gate: Gate
  readonly #gradient: Gradient
  readonly #pressure = new Pressure()
  readonly #started = new Map<Visit, number>()
  /** In order of arrival, with the time of it. */
  readonly #room = new Map<Visit, number>()
  #timer = false
  #draining = false

  constructor(loop: EventLoop) {
    this.#loop = loop
    this.#gate = new Gate({ now: () => loop.now, idleTime: () => loop.idleTime, setImmediate: (run) => { loop.setImmediate(run) } })
    this.#gradient = new Gradient({ min: 8, max: 1000, initial: 20 }, loop.now)
  }

  limit(): number {
    return this.#gradient.settledLimit
  }

  arrive(visit: Visit): void {
    const { now } = this.#loop
    this.#pressure.arrived(now)
    if (this.#gate.refuses(now, this.#pressure.loopPatience, visit.stamped)) {
      this.#reject(visit)
      return
    }
    this.#evict()
    if (this.#started.size < this.#gradient.limit && this.#room.size === 0) {
      this.#start(visit)
      return
    }
    this.#gradient.waited()
    const bound = Math.max(this.#gradient.limit, LEAST_ROOM, this.#pressure.roomPatience * this.#gradient.throughput)
    if (this.#room.size >= bound) this.#rejectOldest()
    this.#room.set(visit, now)
    this.#arm()
  }

  release(visit: Visit): void {
    const { now } = this.#loop
    const startedAt = this.#started.get(visit) ?? now
    this.#started.delete(visit)
    if (visit.left) this.#gradient.left(now)
    else this.#gradient.finished(now, startedAt, this.#gate.loopWait(now))
    this.#drain()
  }

  leave(visit: Visit): void {
    this.#room.delete(visit)
  }

  #start(visit: Visit): void {
    this.#started.set(visit, this.#loop.now)
    this.#gradient.started(this.#loop.now)
    visit.start()
  }

  #reject(visit: Visit): void {
    this.#pressure.shed()
    visit.reject()
  }

  #drain(): void {
    if (this.#draining) return
    this.#draining = true
    while (this.#started.size < this.#gradient.limit) {
      const next = this.#pressure.newestFirst ? [...this.#room.keys()].at(-1) : this.#room.keys().next().value
      if (next === undefined) break
      this.#room.delete(next)
      this.#start(next)
    }
    this.#draining = false
  }

  #rejectOldest(): void {
    const oldest = this.#room.keys().next().value
    if (oldest === undefined) return
    this.#room.delete(oldest)
    this.#reject(oldest)
  }

  #evict(): void {
    for (const [visit, since] of this.#room) {
      if (this.#loop.now - since < this.#pressure.roomPatience) break
      this.#room.delete(visit)
      this.#reject(visit)
    }
  }

  #arm(): void {
    const first = this.#room.values().next().value
    if (this.#timer || first === undefined) return
    this.#timer = true
    this.#loop.setTimeout(() => {
      this.#timer = false
      this.#evict()
      this.#arm()
    }, this.#pressure.roomPatience - (this.#loop.now - first))
  }
}
