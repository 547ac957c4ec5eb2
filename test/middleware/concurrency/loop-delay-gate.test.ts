/** The gate, on a loop whose turns the test makes. */
import { describe, expect, it } from '@jest/globals'
import { LoopDelayGate } from '../../../middleware/concurrency/loop-delay-gate.js'

class Loop {
  time = 0
  idle = 0
  /** What this process has of the processor. */
  share = 1
  connections = 0
  turns = 0
  readonly gate: LoopDelayGate
  #immediates: (() => void)[] = []

  constructor() {
    this.gate = new LoopDelayGate({
      now: () => this.time,
      cpuTime: () => this.time * this.share,
      idleTime: () => this.idle,
      accepted: () => this.connections,
      turns: () => this.turns,
      setImmediate: (callback) => { this.#immediates.push(callback) },
    })
  }

  /** One turn that never waits: a request is read, and takes so many milliseconds if it is let in. Whether it was. */
  turn({ work, accepts, peace = false }: { work: number; accepts: boolean; peace?: boolean }): boolean {
    return this.batch({ requests: 1, work, accepts, peace }) === 1
  }

  /** The same with so many requests. How many were let in. */
  batch({ requests, work, accepts = false, peace = true }: { requests: number; work: number; accepts?: boolean; peace?: boolean }): number {
    this.turns += 1
    if (accepts) this.connections += 1
    let letIn = 0
    for (let index = 0; index < requests; index++) {
      const refused = this.gate.refuses(this.time, 250, peace)
      if (!refused) letIn += 1
      this.time += refused ? 0.2 : work
    }
    for (const callback of this.#immediates.splice(0)) callback()
    return letIn
  }

  /** The process works on something else. */
  work(milliseconds: number): void {
    this.turns += 1
    this.time += milliseconds
  }

  rest(milliseconds: number): void {
    this.time += milliseconds
    this.idle += milliseconds
  }
}

describe('a loop that never waits', () => {
  it('lets all in whose connections are kept: each turn without a new one shows that nobody waits', () => {
    const loop = new Loop()
    for (let turn = 0; turn < 10_000; turn++) expect(loop.turn({ work: 2, accepts: false })).toBe(true)
  })

  it('refuses for a while where every turn accepts one, for the backlog may be long', () => {
    const loop = new Loop()
    const outcomes = Array.from({ length: 2000 }, () => loop.turn({ work: 2, accepts: true }))
    expect(outcomes).toContain(false)
  })

  it('does not refuse everybody for ever, though who is refused comes again at once', () => {
    const loop = new Loop()
    const servedIn = (milliseconds: number): number => {
      const end = loop.time + milliseconds
      let served = 0
      while (loop.time < end) served += loop.turn({ work: 2, accepts: true }) ? 2 : 0
      return served / milliseconds
    }
    servedIn(10_000)
    for (let stretch = 0; stretch < 10; stretch++) expect(servedIn(5000)).toBeGreaterThan(0.3)
  })
})

describe('what is no overload', () => {
  it.each([true, false])('a request that comes after any other work of the process, on a connection of its own: %s', (accepts) => {
    const loop = new Loop()
    for (let second = 0; second < 100; second++) {
      for (let timer = 0; timer < 10; timer++) loop.work(90)
      if (accepts) loop.connections += 1
      expect(loop.turn({ work: 1, accepts: false })).toBe(true)
    }
  })

  it('a request after one that took seconds, nobody having waited for anything else', () => {
    const loop = new Loop()
    for (let pair = 0; pair < 20; pair++) {
      for (const work of [3000, 1]) {
        // Its connection was accepted in a turn that read nothing.
        loop.turns += 1
        loop.connections += 1
        expect(loop.turn({ work, accepts: false, peace: true })).toBe(true)
      }
    }
  })

  it('a burst after a rest, as long as it takes less than five seconds', () => {
    const loop = new Loop()
    for (let burst = 0; burst < 10; burst++) {
      loop.rest(1000)
      expect(loop.batch({ requests: 400, work: 10 })).toBe(400)
    }
    loop.rest(1000)
    expect(loop.batch({ requests: 4000, work: 10 })).toBeLessThan(600)
  })

  it('what came while the loop was held up, as long as it becomes less', () => {
    const loop = new Loop()
    loop.rest(1000)
    loop.batch({ requests: 1, work: 4000 })
    for (let requests = 350; requests > 1; requests = Math.floor(0.7 * requests)) expect(loop.batch({ requests, work: 8 })).toBe(requests)
  })
})

describe('what is one', () => {
  it('turns that become longer and longer', () => {
    const loop = new Loop()
    const letIn: number[] = []
    for (let requests = 1; requests < 3000; requests *= 2) letIn.push(loop.batch({ requests, work: 10 }))
    expect(letIn.slice(0, 6)).toEqual([1, 2, 4, 8, 16, 32])
    // About five seconds of work: 255 requests in the turns before, and some 250.
    expect(Math.max(...letIn)).toBeLessThan(300)
  })

  it('turns that become longer and longer, of a process that has a tenth of the processor: after twenty seconds', () => {
    const loop = new Loop()
    loop.share = 0.1
    const letIn: number[] = []
    for (let requests = 1; requests < 6000; requests *= 2) letIn.push(loop.batch({ requests, work: 10 }))
    // 1,023 requests in the turns before, and some 1,000.
    expect(Math.max(...letIn)).toBeLessThan(1100)
  })

  it('not what comes in several turns and is five seconds of work', () => {
    const loop = new Loop()
    expect([10, 60, 430].map((requests) => loop.batch({ requests, work: 10 }))).toEqual([10, 60, 430])
  })

  it('turns that become longer and longer, and clients that leave before their answers: then the usual patience holds', () => {
    const loop = new Loop()
    const letIn: number[] = []
    for (let requests = 1; requests < 3000; requests *= 2) {
      letIn.push(loop.batch({ requests, work: 10 }))
      if (requests === 64) for (let index = 0; index < 10; index++) loop.gate.requestOver(true)
    }
    expect(letIn.slice(0, 7)).toEqual([1, 2, 4, 8, 16, 32, 64])
    // In a turn of 640 ms came more than can be done; 250 ms are allowed for.
    expect(Math.max(...letIn)).toBeLessThanOrEqual(64)
  })

  it('not a burst of which some clients leave', () => {
    const loop = new Loop()
    loop.rest(1000)
    for (const requests of [10, 60, 330]) {
      expect(loop.batch({ requests, work: 10 })).toBe(requests)
      for (let index = 0; index < 60; index++) loop.gate.requestOver(index % 6 === 0)
    }
  })

  it('not a burst after a rest, though many had left before it', () => {
    const loop = new Loop()
    for (let index = 0; index < 100; index++) loop.gate.requestOver(true)
    loop.rest(10)
    expect(loop.batch({ requests: 400, work: 10 })).toBe(400)
  })

  it.each([[0.5, 730], [0.25, 1600]])('not a burst of five seconds in which a process has %d of the processor', (share, last) => {
    const loop = new Loop()
    loop.share = share
    loop.rest(1000)
    expect([10, 60, last].map((requests) => loop.batch({ requests, work: 10 }))).toEqual([10, 60, last])
  })
})
