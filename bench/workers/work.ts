/** Work of a known amount for handlers: iterations, not time, because a process that waits for a processor does no work meanwhile. */
import { median } from '../stats.js'

const CALIBRATION_ROUNDS = 99
const CALIBRATION_ITERATIONS = 2_000_000
/** It is compiled by then, as it is in an app that has been asked for a while. */
const UNCOUNTED_ROUNDS = 50
const MICROSECONDS = 1000
/** Constants of a linear congruential generator: nothing can leave the loop out. */
const MULTIPLIER = 1_664_525
const INCREMENT = 1_013_904_223

/** Does so many iterations. @returns their result, so that none is left out */
export function work(iterations: number): number {
  let value = 1
  for (let index = 0; index < iterations; index++) value = (Math.imul(value, MULTIPLIER) + INCREMENT) | 0
  return value
}

/** How many iterations take a millisecond of this processor: the median of some measurements of CPU time. */
export function iterationsPerMillisecond(): number {
  for (let round = 0; round < UNCOUNTED_ROUNDS; round++) work(CALIBRATION_ITERATIONS)
  const rates = Array.from({ length: CALIBRATION_ROUNDS }, () => {
    const before = process.cpuUsage()
    work(CALIBRATION_ITERATIONS)
    const { user, system } = process.cpuUsage(before)
    return CALIBRATION_ITERATIONS / (user + system) * MICROSECONDS
  })
  return median(rates)
}
