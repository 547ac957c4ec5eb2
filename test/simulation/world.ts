/** The world around the simulated server: clients that come, wait and leave; the handlers' work; the downstream pool. */
import type { InFlightNode } from '../../middleware/concurrency/in-flight-list.js'
import type { Contender, Visit } from './contender.js'
import type { EventLoop } from './event-loop.js'
import { Fifo } from './fifo.js'
import type { Random } from './random.js'

/** What one request needs. */
export interface Work {
  /** Synchronous JavaScript, in milliseconds. */
  cpu: number
  /** Time of service in the downstream pool, in milliseconds; 0 where it needs none. */
  downstream: number
  /** Time that it waits for something that is not scarce, in milliseconds. Default: none. */
  wait?: number
  /** Its target. Default: none that is told. */
  target?: string
}

export interface WorldOptions {
  /** Requests a second. */
  rate: number
  /** The share of requests that come on connections of their own, the others on connections that are kept. */
  newConnections: number
  /** Whether the proxy's time stamp is there. */
  stamped: boolean
  slots: number
  work: (random: Random, now: number) => Work
  /** Milliseconds after which a client leaves. Default: a second. */
  timeout?: number
}

export type Outcome = 'open' | 'answered' | 'rejected' | 'timeout' | 'refused'

/** Reading, parsing and answering a request, whatever comes of it; from `bench/`, rounded up. */
export const REQUEST_MILLISECONDS = 0.05
export const ACCEPT_MILLISECONDS = 0.05
export const CLIENT_TIMEOUT = 1000

/** One request from its client's intention on. */
class SimulatedRequest implements Visit {
  readonly priority = 'normal'
  startedAt: number | undefined
  holdsSlot = false
  readonly target: string
  readonly waitsForClient = false
  inFlight = false
  older: InFlightNode | undefined
  newer: InFlightNode | undefined
  readonly receivedByProxyAt: number | undefined
  readonly intended: number
  outcome: Outcome = 'open'
  /** Set when the server reads of it. */
  unanswered = false
  clientLeft = false
  /** When the client had its answer. */
  settledAt = 0
  readonly #world: World
  readonly #work: Work
  readonly #over: ((outcome: Outcome) => void) | undefined
  #dispatched = false
  #state: 'before' | 'running' | 'over' = 'before'

  constructor(world: World, work: Work, stamped: boolean, over?: (outcome: Outcome) => void) {
    this.#world = world
    this.#work = work
    this.#over = over
    this.target = work.target ?? ''
    this.intended = world.loop.now
    this.receivedByProxyAt = stamped ? world.loop.now : undefined
  }

  dispatch(): void {
    this.#dispatched = true
    this.#world.loop.spend(REQUEST_MILLISECONDS)
    this.#world.contender.arrive(this)
    if (this.outcome === 'timeout') this.#world.loop.ready(() => { this.#close() })
  }

  start(): void {
    if (this.#state !== 'before') throw new Error('a request was decided about twice')
    this.#state = 'running'
    this.#world.loop.spend(this.#work.cpu)
    const { wait, downstream } = this.#work
    if (wait !== undefined) this.#world.loop.at(this.#world.loop.now + wait, () => { this.#world.loop.ready(() => { this.#answer() }) })
    else if (downstream === 0) this.#answer()
    else this.#world.pool.serve(downstream, () => { this.#answer() })
  }

  reject(): void {
    if (this.#state !== 'before') throw new Error('a request was decided about twice')
    this.#state = 'over'
    this.#settle('rejected')
  }

  /** The client has waited long enough: it is not there any more; the server sees that with its next poll. */
  timeout(): void {
    if (this.outcome !== 'open') return
    this.#settle('timeout')
    if (this.#dispatched) this.#world.loop.ready(() => { this.#close() })
  }

  refuse(): void {
    this.#settle('refused')
  }

  #close(): void {
    if (this.unanswered) return
    this.unanswered = true
    if (this.#state === 'before') {
      this.#state = 'over'
      this.#world.contender.leave(this)
    } else if (this.#state === 'running') {
      this.clientLeft = true
      this.#release()
    }
  }

  #answer(): void {
    if (this.#state !== 'running') return
    // Writing to a Unix socket that is closed at the other end fails at once.
    this.clientLeft = this.outcome === 'timeout'
    this.#settle('answered')
    this.#release()
  }

  #release(): void {
    this.#state = 'over'
    this.#world.contender.release(this)
  }

  #settle(outcome: Outcome): void {
    if (this.outcome !== 'open') return
    this.outcome = outcome
    this.settledAt = this.#world.loop.now
    this.#world.settled(this)
    this.#over?.(outcome)
  }
}

/** A database, say: so many at once, the others wait there in turn. Work that has begun is done, whoever still waits. */
export class Pool {
  readonly #loop: EventLoop
  readonly #waiting = new Fifo<() => void>()
  #free: number

  constructor(loop: EventLoop, slots: number) {
    this.#loop = loop
    this.#free = slots
  }

  serve(milliseconds: number, done: () => void): void {
    const begin = (): void => {
      this.#loop.at(this.#loop.now + milliseconds, () => {
        this.#loop.ready(done)
        const next = this.#waiting.shift()
        if (next === undefined) this.#free += 1
        else next()
      })
    }
    if (this.#free === 0) {
      this.#waiting.push(begin)
    } else {
      this.#free -= 1
      begin()
    }
  }
}

/** What came of a request. */
export interface Settled {
  intended: number
  settledAt: number
  outcome: Outcome
}

export class World {
  readonly loop: EventLoop
  readonly pool: Pool
  readonly contender: Contender
  /** Called once for each request that is answered, rejected or given up. */
  readonly settled: (settled: Settled) => void
  readonly #options: WorldOptions
  readonly #arrivals: Random
  readonly #works: Random

  constructor(loop: EventLoop, options: WorldOptions, contender: Contender, random: Random, settled: (settled: Settled) => void) {
    this.loop = loop
    this.pool = new Pool(loop, options.slots)
    this.contender = contender
    this.settled = settled
    this.#options = options
    this.#arrivals = random.fork()
    this.#works = random.fork()
  }

  /** Clients come from now on: Poisson, whatever becomes of those before. */
  open(): void {
    this.loop.at(this.loop.now + this.#arrivals.exponential(1000 / this.#options.rate), () => {
      this.#come()
      this.open()
    })
  }

  #come(): void {
    const { work, newConnections } = this.#options
    this.ask(work(this.#works, this.loop.now), this.#arrivals.next() < newConnections)
  }

  /** One client comes now, with a connection of its own or with a kept one. `over` is called when it has its answer, or leaves. */
  ask(work: Work, newConnection: boolean, over?: (outcome: Outcome) => void): void {
    const { stamped, timeout = CLIENT_TIMEOUT } = this.#options
    const request = new SimulatedRequest(this, work, stamped, over)
    this.loop.at(this.loop.now + timeout, () => { request.timeout() })
    if (!newConnection) {
      this.loop.ready(() => { request.dispatch() })
      return
    }
    const accepted = this.loop.connect(() => {
      this.loop.spend(ACCEPT_MILLISECONDS)
      this.loop.ready(() => { request.dispatch() })
    })
    if (!accepted) request.refuse()
  }
}
