/**
 * Node's event loop on a simulated clock: timers, poll, check. Only `spend()` and waiting let time pass.
 * What happens outside of the process (clients, the downstream pool) happens at its time, whatever the loop does, and
 * becomes an event that the next poll finds. As in libuv, a poll accepts one new connection (libuv#3696).
 */
import { Agenda } from './agenda.js'
import { Fifo } from './fifo.js'

/** What one turn of the loop costs by itself, in milliseconds. */
const ITERATION_MILLISECONDS = 0.005
/** `net.Server`'s default; what comes while so many wait is refused by the kernel. */
const ACCEPT_BACKLOG = 511

export class EventLoop {
  /** Milliseconds since the start. */
  now = 0
  /** Milliseconds spent waiting in poll, as `performance.nodeTiming.idleTime`. */
  idleTime = 0
  /** Milliseconds of processor time so far. */
  cpuTime = 0
  /** New connections accepted so far. */
  accepted = 0
  /** Turns of the loop so far. */
  iterations = 0
  readonly #world = new Agenda()
  readonly #timers = new Agenda()
  #ready: (() => void)[] = []
  readonly #backlog = new Fifo<() => void>()
  #immediates: (() => void)[] = []
  #settle: (() => Promise<void>) | undefined

  /** Outside of the process, `run` happens at `time`. */
  at(time: number, run: () => void): void {
    this.#world.add(time, run)
  }

  /** Outside, something becomes readable: `callback` runs in the next turn. */
  ready(callback: () => void): void {
    this.#ready.push(callback)
  }

  /** Outside, a client connects. @returns false where the backlog is full */
  connect(accepted: () => void): boolean {
    if (this.#backlog.length >= ACCEPT_BACKLOG) return false
    this.#backlog.push(accepted)
    return true
  }

  setImmediate(callback: () => void): void {
    this.#immediates.push(callback)
  }

  /** @returns what cancels it */
  setTimeout(callback: () => void, milliseconds: number): () => void {
    let wanted = true
    this.#timers.add(this.now + Math.max(1, milliseconds), () => {
      if (wanted) callback()
    })
    return () => {
      wanted = false
    }
  }

  /** As Node's, it counts from when it runs. */
  setInterval(callback: () => void, milliseconds: number): void {
    this.setTimeout(() => {
      callback()
      this.setInterval(callback, milliseconds)
    }, milliseconds)
  }

  /** JavaScript runs for so long. */
  spend(milliseconds: number): void {
    this.cpuTime += milliseconds
    this.#advance(this.now + milliseconds)
  }

  /** Other programs have the processor for so long. */
  stall(milliseconds: number): void {
    this.#advance(this.now + milliseconds)
  }

  /** Promises are settled after every callback with this; a fixed number of microtasks is the same in every run. */
  settleWith(settle: () => Promise<void>): void {
    this.#settle = settle
  }

  /** Turns until `end`, in milliseconds. */
  async run(end: number): Promise<void> {
    while (this.now < end) {
      const settling = this.#turn()
      if (this.#settle !== undefined) {
        for (const callback of settling) {
          callback()
          await this.#settle()
        }
      } else {
        for (const callback of settling) callback()
      }
    }
  }

  /** One turn: the callbacks of its three phases, each to be called before the next one is asked for. */
  *#turn(): Generator<() => void, void> {
    this.iterations += 1
    this.spend(ITERATION_MILLISECONDS)
    while (this.#timers.next <= this.now) yield this.#timers.take() ?? nothing
    this.#wait()
    const { ready } = { ready: this.#ready }
    this.#ready = []
    const accepted = this.#backlog.shift()
    if (accepted !== undefined) {
      this.accepted += 1
      yield accepted
    }
    yield* ready
    const immediates = this.#immediates
    this.#immediates = []
    yield* immediates
  }

  /** Poll: waits where nothing is to be done. */
  #wait(): void {
    while (this.#ready.length === 0 && this.#backlog.length === 0 && this.#immediates.length === 0) {
      const next = Math.min(this.#world.next, this.#timers.next)
      if (next > this.now) this.idleTime += next - this.now
      this.#advance(Math.max(next, this.now))
      if (this.#timers.next <= this.now) return
    }
  }

  #advance(time: number): void {
    while (this.#world.next <= time) {
      this.now = Math.max(this.now, this.#world.next)
      this.#world.take()?.()
    }
    this.now = time
  }
}

function nothing(): void {
  return undefined
}
