/** What counts as in flight, and that nothing is tried for long, on a clock that the test moves. */
import { describe, expect, it } from '@jest/globals'
import type { Candidate } from '../../../middleware/concurrency/policy.js'
import type { InFlightNode } from '../../../middleware/concurrency/in-flight-list.js'
import { AdaptiveLimit } from '../../../middleware/concurrency/adaptive-limit.js'
import { CountedSlots } from '../../simulation/counted-slots.js'
import { ManualClock } from './manual-clock.js'

class Request implements Candidate {
  readonly priority = 'normal'
  readonly receivedByProxyAt = undefined
  readonly target = '/'
  readonly unanswered = false
  readonly clientLeft = false
  waitsForClient = false
  startedAt: number | undefined
  holdsSlot = false
  inFlight = false
  older: InFlightNode | undefined
  newer: InFlightNode | undefined

  start(): void {
    // Started by the test.
  }

  reject(): void {
    // Never asked to.
  }
}

class Subject {
  readonly clock = new ManualClock()
  readonly slots = new CountedSlots(1000)
  ended = 0
  readonly limit = new AdaptiveLimit<Request>(this.clock, this.slots, { min: 1, max: 1000, initial: 1000, experimenting: true, onEnd: () => { this.ended += 1 } })

  start(): Request {
    const request = new Request()
    request.startedAt = this.clock.now()
    this.slots.take()
    this.limit.started(request, this.clock.now())
    return request
  }

  finish(request: Request): void {
    const { startedAt = NaN } = request
    request.startedAt = undefined
    this.limit.released(request, this.clock.now(), startedAt, 0)
    this.slots.release()
  }

  admits(): boolean {
    return this.limit.admits(this.clock.now())
  }
}

describe('what holds a slot, where something is scarce', () => {
  it('not a request that waits for its client', async () => {
    const subject = new Subject()
    subject.limit.settled = 2
    const [first] = [subject.start(), subject.start()]
    expect(subject.admits()).toBe(false)
    first.waitsForClient = true
    await subject.clock.pass(100)
    expect(subject.admits()).toBe(true)
    subject.start()
    expect(subject.admits()).toBe(false)
    subject.finish(first)
    expect([subject.admits(), subject.slots.active]).toEqual([false, 2])
  })

  it('not one that takes much longer than the others', async () => {
    const subject = new Subject()
    subject.limit.settled = 2
    const requests = [subject.start(), subject.start()]
    expect(subject.admits()).toBe(false)
    await subject.clock.pass(1500)
    expect(subject.admits()).toBe(true)
    for (const request of requests) subject.finish(request)
    expect(subject.slots.active).toBe(0)
  })

  it('never more than the most that was allowed', async () => {
    const subject = new Subject()
    for (let index = 0; index < 1000; index++) subject.start()
    await subject.clock.pass(10_000)
    expect(subject.admits()).toBe(false)
  })
})

describe('an experiment', () => {
  it('ends by time, though no request finishes', async () => {
    const subject = new Subject()
    // Quick ones, and then all are slow.
    for (let index = 0; index < 200; index++) {
      const request = subject.start()
      await subject.clock.pass(5)
      subject.finish(request)
    }
    const slow = Array.from({ length: 200 }, () => subject.start())
    await subject.clock.pass(300)
    for (const request of slow.splice(0, 60)) subject.finish(request)
    expect(subject.limit.current).toBeLessThan(200)
    expect(subject.admits()).toBe(false)
    expect(subject.limit.trialDelay).toBeGreaterThan(0)
    await subject.clock.pass(800)
    expect([subject.limit.current, subject.limit.trialDelay, subject.ended]).toEqual([1000, 0, 1])
    expect(subject.admits()).toBe(true)
  })
})
