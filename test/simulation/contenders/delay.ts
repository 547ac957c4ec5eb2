/** The rules that look at the delay of the event loop. */
import type { ContenderKind } from '../contender.js'

const HIGH_WATER = 70
const INTERVAL = 500
const SMOOTHING = 1 / 3

/** toobusy-js 0.5.1 with its defaults: the lag of a timer, smoothed; rejects the more the higher it is. */
export const toobusy: ContenderKind = {
  name: 'toobusy',
  create(loop, random) {
    let last = loop.now
    let lag = 0
    loop.setInterval(() => {
      lag = SMOOTHING * Math.max(0, loop.now - last - INTERVAL) + (1 - SMOOTHING) * lag
      last = loop.now
    }, INTERVAL)
    return {
      arrive(visit) {
        if (random.next() < (lag - HIGH_WATER) / HIGH_WATER) visit.reject()
        else visit.start()
      },
      release: () => undefined,
      leave: () => undefined,
    }
  },
}

const RESOLUTION = 10
const SAMPLE_INTERVAL = 1000
const MOST_DELAY = 100

/** @fastify/under-pressure's rule: the mean of `monitorEventLoopDelay` since the last sample, against 100 ms. */
export const meanDelay: ContenderKind = {
  name: 'mean loop delay',
  create(loop) {
    let last = loop.now
    let sum = 0
    let samples = 0
    let delay = 0
    loop.setInterval(() => {
      sum += loop.now - last
      last = loop.now
      samples += 1
    }, RESOLUTION)
    loop.setInterval(() => {
      if (samples > 0) delay = Math.max(0, sum / samples - RESOLUTION)
      sum = 0
      samples = 0
    }, SAMPLE_INTERVAL)
    return {
      arrive(visit) {
        if (delay > MOST_DELAY) visit.reject()
        else visit.start()
      },
      release: () => undefined,
      leave: () => undefined,
    }
  },
}
