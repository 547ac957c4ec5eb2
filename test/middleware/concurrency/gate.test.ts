/** The gate, on a loop whose turns the test makes. */
import { describe, expect, it } from '@jest/globals'
import { Gate } from '../../../middleware/concurrency/gate.js'

class Loop {
  time = 0
  idle = 0
  connections = 0
  readonly gate: Gate
  #immediates: (() => void)[] = []

  constructor() {
    this.gate = new Gate({
      now: () => this.time,
      idleTime: () => this.idle,
      accepted: () => this.connections,
      setImmediate: (callback) => { this.#immediates.push(callback) },
    })
  }

  /** One turn that never waits: a request is read, and takes so many milliseconds if it is let in. Whether it was. */
  turn({ work, accepts }: { work: number; accepts: boolean }): boolean {
    if (accepts) this.connections += 1
    const letIn = !this.gate.refuses(this.time, 250)
    this.time += letIn ? work : 0.2
    for (const callback of this.#immediates.splice(0)) callback()
    return letIn
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
