/** One process' part in a lease, on a clock that the test moves, with a Redis that answers as the test says. */
import { describe, expect, it } from '@jest/globals'
import { Demand } from '../../../../middleware/concurrency/lease/demand.js'
import { LeaseClient, type LeaseState } from '../../../../middleware/concurrency/lease/lease-client.js'
import type { LeaseRequest, LeaseGrant } from '../../../../middleware/concurrency/lease/script.js'
import { ManualClock, turn } from '../manual-clock.js'

const TTL = 9000
const TIMEOUT = 500

/** A process that holds a part of a lease. */
class Subject {
  readonly clock = new ManualClock()
  readonly requests: LeaseRequest[] = []
  readonly states: LeaseState[] = []
  readonly errors: string[] = []
  active = 0
  waiting = 0
  left = false
  /** What Redis answers; a promise may stay open. */
  answer: (request: LeaseRequest) => Partial<LeaseGrant> | Error | Promise<Partial<LeaseGrant>> = ({ hold, want }) => ({ granted: want, reserved: Math.max(hold, want) })
  readonly client: LeaseClient

  constructor(options: { limit?: number; fallback?: number } = {}) {
    const host = { active: () => this.active, waiting: () => this.waiting }
    this.client = new LeaseClient(this.clock, { limit: options.limit ?? 100, ttl: TTL, timeout: TIMEOUT, fallback: options.fallback }, {
      renew: async (request) => {
        this.requests.push(request)
        const answer = await this.answer(request)
        if (answer instanceof Error) throw answer
        const grant = { granted: 0, reserved: request.hold, processes: 4, settling: 0, ...answer }
        return { share: grant.granted, ...grant }
      },
      leave: () => {
        this.left = true
        return Promise.resolve()
      },
    }, {
      get active() { return host.active() },
      get waiting() { return host.waiting() },
      onCap: () => undefined,
      onStatus: ({ state }, error) => {
        this.states.push(state)
        if (error instanceof Error) this.errors.push(error.message)
      },
    })
  }

  static async granted(granted: number, options: { limit?: number; fallback?: number } = {}): Promise<Subject> {
    const subject = new Subject(options)
    subject.answer = ({ hold }) => ({ granted, reserved: Math.max(hold, granted) })
    await subject.clock.pass(0)
    return subject
  }

  /** What may run now; none where nothing may start. */
  get may(): number {
    return this.client.valid ? this.client.cap : 0
  }

  start(count: number): void {
    for (let index = 0; index < count; index++) {
      this.active += 1
      this.client.onArrival()
    }
  }

  end(count: number): void {
    for (let index = 0; index < count; index++) {
      this.active -= 1
      this.client.onSlotFree()
    }
  }
}

const away = (): Error => new Error('ECONNREFUSED')
const never = (): Promise<Partial<LeaseGrant>> => new Promise(() => undefined)

describe('a lease', () => {
  it('is asked for at once; before the answer nothing may start', async () => {
    const subject = new Subject()
    expect(subject.may).toBe(0)
    await subject.clock.pass(0)
    expect([subject.requests.length, subject.may, subject.states]).toEqual([1, 1, ['held']])
  })
  it('is refreshed when a third of it has passed, where the process is idle', async () => {
    const subject = await Subject.granted(1)
    await subject.clock.pass(TTL * 2)
    expect(subject.requests.length).toBe(7)
    expect(subject.may).toBe(1)
  })
  it('grows before all of it is in use, and not with each request', async () => {
    const subject = new Subject()
    await subject.clock.pass(100)
    for (let count = 0; count < 40; count++) {
      subject.start(1)
      await subject.clock.pass(10)
    }
    expect(subject.may).toBeGreaterThan(40)
    expect(subject.requests.length).toBeLessThan(20)
  })
  it('is asked about now and then while others may need it, and often only while there may be more', async () => {
    const subject = new Subject()
    subject.answer = ({ hold }) => ({ granted: 10, reserved: Math.max(hold, 10), share: 10 })
    subject.start(10)
    subject.waiting = 5
    await subject.clock.pass(100)
    const before = subject.requests.length
    await subject.clock.pass(1000)
    expect(subject.requests.length - before).toBeLessThan(10)
    subject.answer = ({ hold }) => ({ granted: 10, reserved: Math.max(hold, 10), share: 12 })
    await subject.clock.pass(1000)
    const since = subject.requests.length
    await subject.clock.pass(1000)
    expect(subject.requests.length - since).toBeGreaterThan(10)
    expect(subject.requests.length - since).toBeLessThan(45)
  })
  it('shrinks to the fair share as requests end, and is given back in a few words', async () => {
    const subject = await Subject.granted(10)
    subject.start(10)
    subject.answer = ({ hold }) => ({ granted: 4, reserved: hold })
    await subject.clock.pass(500)
    expect(subject.may).toBe(10)
    const before = subject.requests.length
    subject.end(3)
    expect(subject.may).toBe(7)
    subject.end(5)
    expect(subject.may).toBe(4)
    await subject.clock.pass(30)
    expect(subject.requests.slice(before).map(({ hold }) => hold)).toEqual([4])
  })
  it('is given back when it is no longer needed, but not at once', async () => {
    const subject = new Subject()
    subject.start(20)
    await subject.clock.pass(200)
    subject.end(20)
    await subject.clock.pass(800)
    expect(subject.may).toBeGreaterThanOrEqual(20)
    await subject.clock.pass(3000)
    expect([subject.may, subject.requests.at(-1)?.hold]).toEqual([1, 1])
  })
  it('never says that it holds less than what it may run', async () => {
    const subject = await Subject.granted(10)
    let answer: (grant: Partial<LeaseGrant>) => void = () => undefined
    subject.answer = () => new Promise((resolve) => { answer = resolve })
    subject.start(6)
    await subject.clock.pass(TTL / 3)
    expect(subject.requests.at(-1)?.hold).toBe(10)
    subject.start(4)
    answer({ granted: 2, reserved: 10 })
    await turn()
    expect(subject.may).toBe(10)
  })
  it('is given back once nobody runs, after close()', async () => {
    const subject = await Subject.granted(10)
    subject.start(2)
    subject.client.close()
    await subject.clock.pass(TTL)
    expect([subject.left, subject.requests.at(-1)]).toMatchObject([false, { hold: 2, need: 2, want: 2 }])
    subject.end(2)
    await subject.clock.pass(30)
    expect([subject.left, subject.states.at(-1)]).toEqual([true, 'closed'])
    const { length } = subject.requests
    await subject.clock.pass(TTL * 3)
    expect(subject.requests.length).toBe(length)
  })
})

describe('a process that was paused for longer than its lease', () => {
  it('starts nothing before it has asked, and holds only what runs', async () => {
    const subject = await Subject.granted(10)
    subject.start(3)
    await subject.clock.pass(100)
    subject.clock.freeze(TTL)
    expect([subject.may, subject.states.at(-1)]).toEqual([0, 'lapsed'])
    subject.answer = ({ hold }) => ({ granted: 2, reserved: hold })
    await subject.clock.pass(0)
    expect([subject.requests.at(-1)?.hold, subject.may, subject.states.at(-1)]).toEqual([3, 3, 'held'])
    subject.end(1)
    expect(subject.may).toBe(2)
  })
  it('does not go by an answer to what it had asked before', async () => {
    const subject = await Subject.granted(10)
    let answer: (grant: Partial<LeaseGrant>) => void = () => undefined
    subject.answer = () => new Promise((resolve) => { answer = resolve })
    await subject.clock.pass(400)
    subject.clock.freeze(TTL)
    answer({ granted: 50, reserved: 50 })
    await turn()
    expect(subject.may).toBe(0)
  })
  it('does not take Redis for away when its answer is there', async () => {
    const subject = await Subject.granted(10)
    let answer: (grant: Partial<LeaseGrant>) => void = () => undefined
    subject.answer = () => new Promise((resolve) => { answer = resolve })
    await subject.clock.pass(400)
    subject.clock.freeze(TIMEOUT)
    const passing = subject.clock.pass(0)
    answer({ granted: 10, reserved: 10 })
    await passing
    expect([subject.states, subject.may]).toEqual([['held'], 10])
  })
})

describe('while Redis is away', () => {
  it('the lease holds to its end, then what is less of it and the fallback, and after a ttl the fallback', async () => {
    const subject = await Subject.granted(1, { fallback: 7 })
    subject.answer = away
    await subject.clock.pass(TTL / 3)
    expect([subject.states.at(-1), subject.errors, subject.may]).toEqual(['away', ['ECONNREFUSED'], 1])
    await subject.clock.pass(TTL - 100)
    expect(subject.may).toBe(1)
    await subject.clock.pass(200)
    expect(subject.may).toBe(7)
  })
  it('the fallback comes even if timers ring a little too soon', async () => {
    const subject = await Subject.granted(1, { fallback: 7 })
    subject.answer = away
    subject.clock.early = 0.4
    await subject.clock.pass(TTL * 2)
    expect(subject.may).toBe(7)
  })
  it('what is more than the fallback goes with the end of the lease', async () => {
    const subject = await Subject.granted(20, { fallback: 7 })
    subject.answer = away
    await subject.clock.pass(TTL / 2)
    expect([subject.states.at(-1), subject.may]).toEqual(['away', 20])
    await subject.clock.pass(TTL / 2)
    expect(subject.may).toBe(7)
  })
  it('the fallback is an equal part for each process, where no other was given', async () => {
    const subject = await Subject.granted(1, { limit: 42 })
    subject.answer = away
    await subject.clock.pass(TTL * 2)
    expect(subject.may).toBe(10)
  })
  it('a process that has never heard of Redis answers one at a time, and only after a ttl; it says so', async () => {
    const subject = new Subject({ limit: 42 })
    subject.answer = away
    await subject.clock.pass(TIMEOUT / 2)
    expect(subject.states).toEqual([])
    await subject.clock.pass(TIMEOUT)
    expect([subject.states, subject.may]).toEqual([['away'], 0])
    await subject.clock.pass(TTL)
    expect(subject.may).toBe(1)
  })
  it('with a fallback of 0 nothing starts', async () => {
    const subject = await Subject.granted(20, { fallback: 0 })
    subject.answer = away
    await subject.clock.pass(TTL * 3)
    expect(subject.may).toBe(0)
  })
  it('a silent one is away after the timeout, and gets no more than one word each ttl', async () => {
    const subject = await Subject.granted(20)
    subject.answer = never
    await subject.clock.pass(TTL / 3)
    await subject.clock.pass(TIMEOUT)
    expect(subject.errors).toEqual([`no answer within ${String(TIMEOUT)} ms`])
    const before = subject.requests.length
    await subject.clock.pass(TTL * 5)
    expect(subject.requests.length - before).toBeLessThanOrEqual(5)
  })
  it('a late answer means that it is back: it is asked again, with what is true now', async () => {
    const subject = await Subject.granted(20, { fallback: 7 })
    let answer: (grant: Partial<LeaseGrant>) => void = () => undefined
    subject.answer = () => new Promise((resolve) => { answer = resolve })
    await subject.clock.pass(TTL / 3)
    await subject.clock.pass(TTL * 0.8)
    expect([subject.may, subject.states.at(-1)]).toEqual([7, 'away'])
    subject.answer = ({ hold }) => ({ granted: 12, reserved: Math.max(hold, 12) })
    answer({ granted: 90, reserved: 90 })
    await turn()
    expect(subject.may).toBe(7)
    await subject.clock.pass(0)
    expect([subject.requests.at(-1)?.hold, subject.may, subject.states.at(-1)]).toEqual([7, 12, 'held'])
  })
  it('what it may run when Redis is back is at most its share, and what runs', async () => {
    const subject = await Subject.granted(20, { fallback: 9 })
    subject.answer = away
    await subject.clock.pass(TTL * 2)
    subject.start(6)
    subject.answer = ({ hold }) => ({ granted: 2, reserved: hold })
    await subject.clock.pass(2000)
    expect([subject.states.at(-1), subject.may]).toEqual(['held', 6])
    subject.end(6)
    expect(subject.may).toBe(2)
  })
  it('an answer to a word from before the fallback counts for nothing', async () => {
    const subject = await Subject.granted(1, { fallback: 9 })
    subject.answer = away
    await subject.clock.pass(TTL / 3)
    let open: ((grant: Partial<LeaseGrant>) => void)[] = []
    subject.answer = () => new Promise((resolve) => { open.push(resolve) })
    while (open.length === 0) await subject.clock.pass(TIMEOUT / 10)
    subject.clock.freeze(TTL)
    await subject.clock.pass(0)
    subject.answer = ({ hold }) => ({ granted: 4, reserved: Math.max(4, hold) })
    for (const answer of open) answer({ granted: 3, reserved: 3 })
    open = []
    await turn()
    expect(subject.may).toBe(9)
    await subject.clock.pass(10)
    expect([subject.requests.at(-1)?.hold, subject.may]).toEqual([9, 4])
  })
  it('it is told, and told again when it is over', async () => {
    const subject = await Subject.granted(5)
    subject.answer = away
    await subject.clock.pass(TTL)
    subject.answer = () => ({ granted: 5, reserved: 5, settling: 400 })
    await subject.clock.pass(TTL)
    subject.answer = () => ({ granted: 5, reserved: 5 })
    await subject.clock.pass(TTL)
    expect(subject.states).toEqual(['held', 'away', 'settling', 'held'])
  })
})

describe('demand', () => {
  it('is the peak since the last time; what is wanted is the peak of the last second or two, and a quarter more', () => {
    const demand = new Demand()
    demand.note(8)
    expect(demand.ask(2, 0)).toEqual({ need: 8, want: 10 })
    expect(demand.ask(2, 500)).toEqual({ need: 2, want: 10 })
    expect(demand.ask(0, 1000)).toEqual({ need: 2, want: 10 })
    expect(demand.ask(0, 2000)).toEqual({ need: 0, want: 3 })
    expect(demand.ask(0, 9000)).toEqual({ need: 0, want: 1 })
  })
})
