/** Plays recorded series to the verdict: a second of a recording counts as two minutes, a bucket of the verdict. */
import { LeakDetector } from '../../middleware/memory/leak-detector/leak-detector.js'
import type { Verdict } from '../../middleware/memory/leak-detector/verdict.js'
import type { Series } from './archive.js'

const COMPRESSION = 120
const KIB = 1024

export interface Listener {
  collection: (input: { time: number; live: number; external: number }) => void
  sample: (input: {
    time: number
    rss: number
    heapTotal: number
    external: number
    requestsPerSecond: number
    inFlight: number
    heapLimit: number
  }) => void
}

/** Gives all collections and samples in the order of time. */
export function replay({ collections, samples, heapLimit }: Series, listener: Listener): void {
  let next = 0
  samples.time.forEach((time, index) => {
    for (; (collections.time[next] ?? Infinity) <= time; next++) {
      listener.collection({
        time: (collections.time[next] ?? 0) * COMPRESSION,
        live: (collections.live[next] ?? 0) * KIB,
        external: (collections.external[next] ?? 0) * KIB,
      })
    }
    const seconds = Math.max(1, time - (samples.time[index - 1] ?? time - 500)) / 1000
    listener.sample({
      time: time * COMPRESSION,
      rss: (samples.rss[index] ?? 0) * KIB,
      heapTotal: (samples.heapTotal[index] ?? 0) * KIB,
      external: (samples.external[index] ?? 0) * KIB,
      requestsPerSecond: (samples.requests[index] ?? 0) / seconds,
      inFlight: samples.inFlight[index] ?? 0,
      heapLimit: heapLimit * KIB,
    })
  })
}

export interface Outcome {
  /** All states in their order. */
  states: Verdict['state'][]
  last: Verdict
  /** Whether a leak was announced at any time, and whether at the end. */
  alarmed: boolean
  found: boolean
}

const isAlarm = ({ state }: Pick<Verdict, 'state'>): boolean => state === 'leak-suspected' || state === 'native-growth'

export function judgeSeries(series: Series): Outcome {
  const verdict = new LeakDetector()
  const states: Verdict['state'][] = [verdict.current.state]
  verdict.on('change', ({ state }) => states.push(state))
  replay(series, verdict)
  return { states, last: verdict.current, alarmed: states.some((state) => isAlarm({ state })), found: isAlarm(verdict.current) }
}
