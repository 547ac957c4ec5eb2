/** How many kept connections workers let go. */
import { expect, it } from '@jest/globals'
import { Balancer, type WorkerLoad } from '../../lib/workers/balance.js'

const load = (connections: number, utilization: number, waiting = 0): WorkerLoad => ({ connections, utilization, waiting })

/** What worker 0 and 1 let go within so many seconds, while nothing of their load changes. */
function released(seconds: number, ...loads: readonly WorkerLoad[]): number[] {
  const balancer = new Balancer<number>()
  const counts = loads.map(() => 0)
  for (let second = 0; second < seconds; second++) {
    for (const [key, count] of balancer.decide(new Map(loads.entries()))) counts[key] = (counts[key] ?? 0) + count
  }
  return counts
}

it('moves connections to a worker that has nothing to do', () => {
  const [busy = 0, idle] = released(3, load(16, 1), load(0, 0))
  expect(busy).toBeGreaterThanOrEqual(4)
  expect(idle).toBe(0)
})

it('moves them where all are busy all the time, and more requests wait for one', () => {
  const [more = 0, less] = released(3, load(12, 1, 11), load(4, 1, 3))
  expect(more).toBeGreaterThan(0)
  expect(less).toBe(0)
})

it('moves one where one connection is too many for two seconds: one second may be chance', () => {
  expect(released(1, load(9, 1, 8), load(7, 1, 6))).toEqual([0, 0])
  expect(released(2, load(9, 1, 8), load(7, 1, 6))).toEqual([1, 0])
})

it('moves all that are too many at once, a few a second', () => {
  expect(released(1, load(12, 1, 11), load(4, 1, 3))).toEqual([4, 0])
  expect(released(1, load(16, 1), load(0, 0))).toEqual([8, 0])
  expect(released(1, load(100, 1, 99), load(0, 0))).toEqual([8, 0])
  expect(released(1, load(12, 1, 11), load(8, 1, 7), load(4, 1, 3))).toEqual([4, 0, 0])
})

it('moves none where they are as even as can be', () => {
  expect(released(10, load(8, 1, 7.2), load(8, 1, 6.8))).toEqual([0, 0])
  expect(released(10, load(8, 0.5, 0.1), load(8, 0.42, 0))).toEqual([0, 0])
  expect(released(10, load(64, 1, 52), load(62, 1, 48))).toEqual([0, 0])
})

it('never takes the last connection of a worker', () => {
  expect(released(5, load(1, 1), load(0, 0))).toEqual([0, 0])
})

it('stops when the connections have moved: what was before does not count', () => {
  const balancer = new Balancer<string>()
  const decide = (one: WorkerLoad, other: WorkerLoad): number => balancer.decide(new Map([['one', one], ['other', other]])).get('one') ?? 0
  expect(decide(load(16, 1, 15), load(0, 0))).toBe(8)
  expect(decide(load(12, 1, 12), load(4, 1, 2))).toBe(0)
  // The second in which they move is left out, and the next tells that all is even.
  expect(decide(load(8, 1, 7), load(8, 1, 7))).toBe(0)
})
