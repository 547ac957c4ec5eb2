/**
 * The clients, a process of its own. Open loop: they come at random times (Poisson) whatever the server does, wait a
 * second from when they meant to come, and then leave: the socket is destroyed. Closed loop, to measure the capacity:
 * so many clients, each with one request after another.
 */
import net from 'node:net'
import { performance } from 'node:perf_hooks'
import type { Address } from '../load.js'

/** One stretch of load. */
export interface Wave {
  address: Address
  seconds: number
  /** Requests a second; 0 for a closed loop. */
  rate: number
  /** Clients of a closed loop. */
  clients: number
  /** The share of requests on connections of their own. */
  newConnections: number
}

/** What the clients saw. Times in milliseconds, from the intended arrival. */
export interface Seen {
  offered: number
  /** Latencies of what was answered in time. */
  answered: number[]
  /** Latencies of 503 and 502. */
  rejected: number[]
  timeouts: number
  failures: number
  /** CPU time of this process as a share of the wave. */
  busy: number
}

const TIMEOUT = 1000
/** A wave's first part, in which the limits and the rate of arrivals are learnt, and five seconds may be a burst, is not counted. */
const WARM_UP = 0.25
const HEAD = 'GET / HTTP/1.1\r\nHost: localhost\r\n'
const SCHEDULED_EVERY = 1

class Clients {
  readonly #wave: Wave
  readonly #idle: net.Socket[] = []
  readonly seen: Seen = { offered: 0, answered: [], rejected: [], timeouts: 0, failures: 0, busy: 0 }
  #countFrom = 0
  #open = 0

  constructor(wave: Wave) {
    this.#wave = wave
  }

  async run(): Promise<Seen> {
    const { seconds, rate, clients } = this.#wave
    const start = performance.now()
    const end = start + seconds * 1000
    this.#countFrom = start + WARM_UP * seconds * 1000
    const cpu = process.cpuUsage()
    if (rate > 0) await this.#come(start, end)
    else await Promise.all(Array.from({ length: clients }, () => this.#repeat(end)))
    const { user, system } = process.cpuUsage(cpu)
    while (this.#open > 0) await new Promise((resolve) => setTimeout(resolve, SCHEDULED_EVERY))
    this.seen.busy = (user + system) / 1000 / (performance.now() - start)
    for (const socket of this.#idle) socket.destroy()
    return this.seen
  }

  async #come(start: number, end: number): Promise<void> {
    let next = start
    while (next < end) {
      while (next <= performance.now() && next < end) {
        void this.#ask(next)
        next -= (Math.log(1 - Math.random()) * 1000) / this.#wave.rate
      }
      await new Promise((resolve) => setTimeout(resolve, SCHEDULED_EVERY))
    }
  }

  async #repeat(end: number): Promise<void> {
    while (performance.now() < end) await this.#ask(performance.now())
  }

  /** One request; resolves when it is over, however. */
  #ask(intended: number): Promise<void> {
    const counts = intended >= this.#countFrom
    if (counts) this.seen.offered += 1
    this.#open += 1
    const keep = Math.random() >= this.#wave.newConnections
    const socket = (keep ? this.#idle.pop() : undefined) ?? net.connect({ ...this.#wave.address })
    return new Promise((resolve) => {
      let text = ''
      const over = (note: () => void, reusable: boolean): void => {
        clearTimeout(timer)
        socket.removeAllListeners()
        socket.on('error', () => undefined)
        if (reusable && keep) this.#keep(socket)
        else socket.destroy()
        if (counts) note()
        this.#open -= 1
        resolve()
      }
      const timer = setTimeout(() => {
        over(() => (this.seen.timeouts += 1), false)
      }, Math.max(0, intended + TIMEOUT - performance.now()))
      const fail = (): void => {
        over(() => (this.seen.failures += 1), false)
      }
      socket.on('error', fail)
      socket.on('close', fail)
      socket.on('data', (chunk: Buffer) => {
        text += chunk.toString('latin1')
        const complete = isComplete(text)
        if (complete === undefined) return
        const to = complete === 200 ? this.seen.answered : this.seen.rejected
        over(() => to.push(performance.now() - intended), !/\r\nconnection: close/i.test(text))
      })
      socket.write(`${HEAD}Connection: ${keep ? 'keep-alive' : 'close'}\r\n\r\n`)
    })
  }

  #keep(socket: net.Socket): void {
    this.#idle.push(socket)
    socket.on('close', () => {
      const index = this.#idle.indexOf(socket)
      if (index >= 0) this.#idle.splice(index, 1)
    })
  }
}

/** The status, once the whole response is there. */
function isComplete(text: string): number | undefined {
  const end = text.indexOf('\r\n\r\n')
  if (end < 0) return undefined
  const body = text.length - end - 4
  const length = /\r\ncontent-length: (\d+)/i.exec(text)?.[1]
  const whole = length === undefined ? text.endsWith('0\r\n\r\n') : body >= Number(length)
  return whole ? Number(text.slice(9, 12)) : undefined
}

process.on('message', (wave: Wave) => {
  void new Clients(wave).run().then((seen) => process.send?.(seen))
})
