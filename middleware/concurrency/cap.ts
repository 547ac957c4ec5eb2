/** A cap: which requests it sees, which rule decides on each, and what is counted and told. */
import { EventEmitter } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { tell } from '../shared/listeners.js'
import { routePatternOf } from '../shared/route.js'
import { watchAccepts } from './accepts.js'
import { Adaptive } from './adaptive.js'
import type { Reason } from './admission.js'
import { Counts } from './counts.js'
import { Exchange, hasLeft, hearOfFinish } from './exchange.js'
import { Fixed } from './fixed.js'
import { HoldWatch } from './hold-watch.js'
import type { LeaseStatus } from './lease/holder.js'
import { Leased } from './leased.js'
import { checkedChange, checkedLimit, type ResolvedConcurrencyLimit } from './options.js'
import { answerRejection, ConcurrencyLimitError, createRejection, type Rejection } from './rejection.js'
import { sinceRequestStart } from './request-start.js'
import { Slots } from './slots.js'
import { systemClock } from './system-clock.js'
import { Ticket, type Desk, type Gateway } from './ticket.js'

/** A handler that held its slot for longer than `maxHold`. */
export interface Leak {
  readonly method: string
  /** Express's route, such as `/users/:id`; the path where no route is known. */
  readonly route: string
  /** Milliseconds. */
  readonly heldFor: number
}

/** What listeners on `events` get. */
export interface ConcurrencyLimitEvents {
  reject: [rejection: Rejection, request: IncomingMessage]
  leak: [leak: Leak, request: IncomingMessage]
  limit: [limit: number]
  lease: [lease: LeaseStatus]
}

type Next = (error?: unknown) => void

export class Cap implements Desk {
  readonly releaseAtEnd: boolean
  readonly counts = new Counts()
  readonly events = new EventEmitter<ConcurrencyLimitEvents>()
  readonly #options: ResolvedConcurrencyLimit
  readonly #whole: Gateway | undefined
  readonly #keyed = new Map<string, Gateway>()
  readonly #watch: HoldWatch<Ticket> | undefined
  #keyLimit: number | undefined
  #closed = false

  constructor(options: ResolvedConcurrencyLimit) {
    hearOfFinish()
    this.#options = options
    this.releaseAtEnd = options.releaseAtEnd
    this.#keyLimit = options.limit.kind === 'fixed' ? options.limit.limit : undefined
    this.#whole = options.key === undefined ? this.#createWhole() : undefined
    this.#watch = options.maxHold === false ? undefined : new HoldWatch(systemClock, options.maxHold, (ticket, heldFor) => { this.#leaked(ticket, heldFor) })
  }

  get active(): number {
    return this.#sum(({ slots }) => slots.active)
  }

  get waiting(): number {
    return this.#sum(({ rule }) => rule.waiting)
  }

  /** Keys that are remembered. */
  get keys(): number {
    return this.#keyed.size
  }

  /** undefined where a function gives each key its own. */
  get limit(): number | undefined {
    return this.#whole === undefined ? this.#keyLimit : this.#whole.rule.limit
  }

  set limit(limit: unknown) {
    const checked = checkedChange(limit, this.#options.limit)
    if (this.#options.limit.kind === 'function') throw new TypeError('concurrencyLimit: limit cannot be set where a function gives it')
    if (this.#whole !== undefined) this.#whole.rule.limit = checked
    this.#keyLimit = checked
    for (const { rule } of this.#keyed.values()) rule.limit = checked
    if (this.#options.limit.kind === 'fixed') this.#tellLimit(checked)
  }

  /** undefined where nothing is leased. */
  get lease(): LeaseStatus | undefined {
    const rule = this.#whole?.rule
    return rule instanceof Leased ? rule.status : undefined
  }

  handle(request: IncomingMessage, response: ServerResponse, next: Next): void {
    if (this.#closed || response.writableEnded || this.#options.skip(request) || Exchange.known(request, response)?.isAt(this) === true) {
      next()
      return
    }
    if (hasLeft(request, response)) {
      this.counts.abandoned += 1
      return
    }
    const priority = this.#options.priorityOf(request)
    const gateway = this.#whole ?? this.#gatewayOf(request)
    if (gateway === undefined) {
      next()
      return
    }
    if (this.#options.limit.kind === 'auto') watchAccepts(request)
    new Ticket(this, gateway, request, response, next, priority, this.#stampOf(request)).arrive()
  }

  /** Holds nobody back any more: who waits starts, who comes passes. Stops all timers. */
  close(): void {
    this.#closed = true
    this.#watch?.close()
    for (const { rule } of this.#gateways()) rule.close()
  }

  now(): number {
    return systemClock.now()
  }

  accepted(ticket: Ticket): void {
    this.counts.accepted += 1
    this.#watch?.started(ticket)
  }

  waited(milliseconds: number): void {
    this.counts.waited(milliseconds)
  }

  abandoned(ticket: Ticket): void {
    this.counts.abandoned += 1
    ticket.vacated()
  }

  ended(ticket: Ticket): void {
    this.#watch?.ended(ticket)
  }

  rejected(ticket: Ticket, cause: Reason): boolean {
    const reason = this.#whole === undefined ? 'key' : cause
    const { handler, observing, retryAfter } = this.#options
    this.counts.rejected[reason] += 1
    const rejection = createRejection(reason, retryAfter)
    const { request, response, next } = ticket
    if (this.events.listenerCount('reject') > 0) this.#tell(() => { this.events.emit('reject', rejection, request) })
    if (observing) return false
    if (handler === undefined) answerRejection(request, response, rejection)
    else if (handler === 'next') next(new ConcurrencyLimitError(rejection))
    else handler(request, response, next, rejection)
    return true
  }

  #createWhole(): Gateway {
    const { limit, queue, observing } = this.#options
    const onLimit = (changed: number): void => { this.#tellLimit(changed) }
    if (limit.kind === 'lease') {
      const onLease = (status: LeaseStatus): void => { this.#tell(() => { this.events.emit('lease', status) }) }
      const leased = new Leased<Ticket>(systemClock, { lease: limit.lease, queue, observing, onLimit, onLease })
      return { rule: leased, slots: leased.slots, freed: leased.drain }
    }
    if (limit.kind !== 'auto') return this.#createFixed(limit.kind === 'fixed' ? limit.limit : 1)
    const rule = new Adaptive<Ticket>(systemClock, { ...limit.bounds, queue, observing, onLimit })
    return { rule, slots: new Slots(observing ? Infinity : limit.bounds.max), freed: rule.drain }
  }

  #createFixed(limit: number): Gateway {
    const { queue, observing } = this.#options
    const slots = new Slots(observing ? Infinity : limit)
    const rule = new Fixed<Ticket>(systemClock, slots, { limit, queue, observing })
    return { rule, slots, freed: rule.drain }
  }

  /** Of the request's key. It lives as long as somebody holds one of its slots, or waits for one. */
  #gatewayOf(request: IncomingMessage): Gateway | undefined {
    const { key: keyOf, limit } = this.#options
    const key = keyOf?.(request)
    if (key === undefined) return undefined
    const number = limit.kind === 'function' ? limit.limitOf(request) : this.#keyLimit
    if (number === undefined) return undefined
    const known = this.#keyed.get(key)
    if (known !== undefined) {
      if (known.rule.limit !== number) {
        known.rule.limit = checkedLimit(number)
        // Those who waited may all have been gone, and the key forgotten.
        this.#keyed.set(key, known)
      }
      return known
    }
    const gateway = this.#createKeyed(key, checkedLimit(number))
    this.#keyed.set(key, gateway)
    return gateway
  }

  #createKeyed(key: string, limit: number): Gateway {
    const { rule, slots, freed } = this.#createFixed(limit)
    const vacated = (): void => {
      // Another one may have its key by now.
      if (slots.active === 0 && rule.waiting === 0 && this.#keyed.get(key) === gateway) this.#keyed.delete(key)
    }
    const gateway: Gateway = {
      rule, slots, vacated, freed: () => {
        freed()
        vacated()
      },
    }
    return gateway
  }

  #stampOf(request: IncomingMessage): number | undefined {
    const since = this.#options.trustRequestStart ? sinceRequestStart(request) : undefined
    return since === undefined ? undefined : systemClock.now() - since
  }

  #leaked(ticket: Ticket, heldFor: number): void {
    this.counts.leaked += 1
    const { request } = ticket
    this.#tell(() => { this.events.emit('leak', { method: request.method ?? '', route: routeOf(request), heldFor }, request) })
    ticket.end('failed')
  }

  #tellLimit(limit: number): void {
    this.#tell(() => { this.events.emit('limit', limit) })
  }

  #tell(call: () => void): void {
    tell('concurrencyLimit', 'ERR_CONCURRENCY_LIMIT_LISTENER', call)
  }

  #gateways(): Iterable<Gateway> {
    return this.#whole === undefined ? this.#keyed.values() : [this.#whole]
  }

  #sum(figure: (gateway: Gateway) => number): number {
    let sum = 0
    for (const gateway of this.#gateways()) sum += figure(gateway)
    return sum
  }
}

/** The share of all that was turned away, or would have been: 0 to 1. */
export function rejectedShare(counts: Counts, observing: boolean): number {
  const { rejections } = counts
  const offered = observing ? counts.accepted : counts.accepted + rejections
  return offered === 0 ? 0 : rejections / offered
}

/** Express's route with what it is mounted on; the path where no route is known. */
function routeOf(request: IncomingMessage & { baseUrl?: unknown; originalUrl?: unknown }): string {
  const { baseUrl, originalUrl, url } = request
  const pattern = routePatternOf(request)
  if (pattern !== '') return `${typeof baseUrl === 'string' ? baseUrl : ''}${pattern}`
  const whole = typeof originalUrl === 'string' ? originalUrl : url ?? ''
  return whole.split('?', 1)[0] ?? ''
}
