/** A clock that stands still until a test moves it. */
import type { Clock } from '../../../middleware/concurrency/clock.js'

interface Alarm {
  readonly time: number
  readonly ring: () => void
}

export class ManualClock implements Clock {
  /** Milliseconds by which its timers ring too soon, as Node's do. */
  early = 0
  #now = 0
  #alarms: Alarm[] = []

  now(): number {
    return this.#now
  }

  cpuTime(): number {
    return this.#now
  }

  idleTime(): number {
    return 0
  }

  accepted(): number {
    return NaN
  }

  turns(): number {
    return NaN
  }

  queueMicrotask(callback: () => void): void {
    queueMicrotask(callback)
  }

  setImmediate(callback: () => void): void {
    setImmediate(callback)
  }

  setTimeout(callback: () => void, milliseconds: number): () => void {
    const alarm = { time: this.#now + milliseconds, ring: callback }
    this.#alarms.push(alarm)
    return () => {
      this.#alarms = this.#alarms.filter((other) => other !== alarm)
    }
  }

  /** So much time passes, and everything happens in its turn. */
  async pass(milliseconds: number): Promise<void> {
    const end = this.#now + milliseconds
    for (let next = this.#next(end); next !== undefined; next = this.#next(end)) {
      const alarm = next
      this.#alarms = this.#alarms.filter((other) => other !== alarm)
      this.#now = Math.max(this.#now, alarm.time - this.early)
      alarm.ring()
      await turn()
    }
    this.#now = end
    await turn()
  }

  /** So much time passes in which this process does nothing at all. */
  freeze(milliseconds: number): void {
    this.#now += milliseconds
  }

  #next(end: number): Alarm | undefined {
    return this.#alarms.filter(({ time }) => time <= end).sort((one, other) => one.time - other.time)[0]
  }
}

/** One turn of the event loop, for callbacks and promises. */
export async function turn(): Promise<void> {
  await new Promise(setImmediate)
}
