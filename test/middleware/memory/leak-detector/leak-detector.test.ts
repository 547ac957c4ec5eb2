import { describe, expect, it } from '@jest/globals'
import { LeakDetector } from '../../../../middleware/memory/leak-detector/leak-detector.js'
import { LeakVerdict } from '../../../../middleware/memory/verdict.js'
import type { GrownCallSite, SampleInput, Verdict } from '../../../../middleware/memory/leak-detector/verdict.js'
import { Buckets } from '../../../../middleware/memory/leak-detector/buckets.js'
import { duration, formatBytes } from '../../../../middleware/memory/units.js'
import { TimeScale } from '../../../../middleware/memory/leak-detector/time-scale.js'
import { GrowthTracker, lasts } from '../../../../middleware/memory/leak-detector/growth-state.js'
import { COLLECTED } from '../../../../middleware/memory/leak-detector/thresholds.js'
import { trendOf, type Point, type Trend } from '../../../../middleware/memory/leak-detector/trend.js'
import { seeded } from '../../../support/seeded.js'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const MB = 1_000_000

interface Moment { live?: number; external?: number; rss?: number; rate?: number; memoryLimit?: number | null }

/** Lives through some time: a collection every 40 seconds, a sample every 20. */
function live(verdict: LeakDetector, from: number, to: number, at: (time: number) => Moment): void {
  for (let time = from; time < to; time += 20_000) {
    const { live: heap = 30 * MB, external = 2 * MB, rss, rate = 40, memoryLimit = null } = at(time)
    if (time % 40_000 === 0) verdict.collection({ time, live: heap, external })
    const heapTotal = heap + 10 * MB
    const sample: SampleInput = { time, rss: rss ?? heapTotal + external + 40 * MB, heapTotal, external, requestsPerSecond: rate, inFlight: 4, heapLimit: 2000 * MB, memoryLimit }
    verdict.sample(sample)
  }
}

function journal(verdict: LeakDetector): string[] {
  const states: string[] = [verdict.current.state]
  verdict.on('change', ({ state }) => states.push(state))
  return states
}

const noise = (seed: number, size: number): (() => number) => {
  const random = seeded(seed)
  return () => size * (random() + random() - 1)
}

describe('the leak verdict', () => {
  it('is warming until enough major collections have passed, and says how many', () => {
    const verdict = new LeakDetector()
    live(verdict, 0, 20 * MINUTE, () => ({}))
    expect(verdict.current).toMatchObject({ state: 'warming', sentence: 'Too early to tell: 6 of 12 periods with a major collection have passed.' })
  })

  it('a level heap is ok', () => {
    const verdict = new LeakDetector()
    const states = journal(verdict)
    const random = noise(1, 3 * MB)
    live(verdict, 0, 6 * HOUR, () => ({ live: 30 * MB + random() }))
    expect(states).toEqual(['warming', 'ok'])
    expect(verdict.current.sentence).toMatch(/^No growth of 1\d % or more in [56] hours: the live heap is at about [23]\d\.\d MB at like load\.$/)
    expect(verdict.current.evidence).toMatchObject({ timeToLimit: null, limit: null })
  })

  it('a leak is growth first, then suspected, with its slope and the time that is left', () => {
    const verdict = new LeakDetector()
    const states = journal(verdict)
    const random = noise(2, 2 * MB)
    live(verdict, 0, 3 * HOUR, (time) => ({ live: 30 * MB + 10 * MB * time / HOUR + random() }))
    expect(states.slice(-2)).toEqual(['growing', 'leak-suspected'])
    const { evidence, sentence } = verdict.current
    expect(evidence.bytesPerSecond * 3600).toBeGreaterThan(8 * MB)
    expect(evidence.bytesPerSecond * 3600).toBeLessThan(12 * MB)
    expect(evidence).toMatchObject({ quantity: 'heap', limit: 'heap', likeLoad: true })
    // 1950 MB at 10 MB an hour.
    expect((evidence.timeToLimit ?? 0) / 3600).toBeGreaterThan(150)
    expect(sentence).toMatch(/^The live heap has grown by .+ at like load, .+ MB an hour, and goes on: a leak is suspected\. At this pace V8's heap limit is reached in [789] days\.$/)
  })

  it('the cgroup\'s limit counts where it is nearer', () => {
    const verdict = new LeakDetector()
    live(verdict, 0, 3 * HOUR, (time) => ({ live: 30 * MB + 10 * MB * time / HOUR, memoryLimit: 200 * MB }))
    expect(verdict.current).toMatchObject({ state: 'leak-suspected', evidence: { limit: 'cgroup' } })
    expect(verdict.current.sentence).toContain('the memory limit of the cgroup is reached in')
  })

  it('memory outside the heap is native growth, counted as external or not', () => {
    const external = new LeakDetector()
    live(external, 0, 2 * HOUR, (time) => ({ external: 2 * MB + 24 * MB * time / HOUR }))
    expect(external.current).toMatchObject({ state: 'native-growth', evidence: { quantity: 'external' } })
    const uncounted = new LeakDetector()
    live(uncounted, 0, 2 * HOUR, (time) => ({ rss: 90 * MB + 20 * MB * time / HOUR }))
    expect(uncounted.current).toMatchObject({ state: 'native-growth', evidence: { quantity: 'remainder' } })
    // From 48 MB to 88: RSS without 2 MB of external memory and 40 of the heap.
    expect(uncounted.current.evidence.level / MB).toBeCloseTo(69, -1)
  })

  it('is still there by its file and name in 0.1', () => {
    expect(LeakVerdict).toBe(LeakDetector)
  })

  it('a cache of Buffers that fills is no leak, however few there were before', () => {
    const verdict = new LeakDetector()
    const states = journal(verdict)
    live(verdict, 0, 12 * HOUR, (time) => ({ live: 200 * MB, external: 2 * MB + 12 * MB * Math.min(3, time / HOUR) }))
    expect(states).not.toContain('native-growth')
    // A leak of as much goes on, and is told when it has lasted.
    const leak = new LeakDetector()
    live(leak, 0, 8 * HOUR, (time) => ({ live: 200 * MB, external: 2 * MB + 12 * MB * time / HOUR }))
    expect(leak.current).toMatchObject({ state: 'native-growth', evidence: { quantity: 'external' } })
  })

  it('memory that follows the load is no leak, while load rises nor after', () => {
    const verdict = new LeakDetector()
    const states = journal(verdict)
    const rate = (time: number): number => time < 3 * HOUR ? 20 + 60 * time / (3 * HOUR) : 80
    live(verdict, 0, 6 * HOUR, (time) => ({ live: 20 * MB + 0.5 * MB * rate(time), rate: rate(time) }))
    expect(states).toEqual(['warming', 'ok'])
  })

  it('what stops growing is taken back', () => {
    const verdict = new LeakDetector()
    const states = journal(verdict)
    live(verdict, 0, 8 * HOUR, (time) => ({ live: 30 * MB + 10 * MB * Math.min(3, time / HOUR) }))
    expect(states).toContain('leak-suspected')
    expect(verdict.current.state).toBe('ok')
  })

  it('is taken back within the hour after growth has ended', () => {
    const verdict = new LeakDetector()
    const random = noise(4, 1.5 * MB)
    const grown = (time: number): number => 60 * MB + 20 * MB * Math.min(3, time / HOUR) + random()
    live(verdict, 0, 3 * HOUR, (time) => ({ live: grown(time) }))
    expect(verdict.current.state).toBe('leak-suspected')
    live(verdict, 3 * HOUR, 4 * HOUR, (time) => ({ live: grown(time) }))
    expect(verdict.current.state).not.toBe('leak-suspected')
  })

  it('says no more than it knows: less growth than it would have told, growth that has ended', () => {
    const verdict = new LeakDetector()
    const random = noise(6, 16 * MB)
    live(verdict, 0, 2 * HOUR, () => ({ live: 50 * MB + random() }))
    // Noise of 12 %: growth by a tenth would not stand out.
    const share = Number(/^No growth of (\d+) % or more in 11\d minutes:/.exec(verdict.current.sentence)?.[1])
    expect(share).toBeGreaterThan(10)
    expect(verdict.current.evidence.leastGrowth).toBeLessThanOrEqual(share / 100 * verdict.current.evidence.level)
    const once = new LeakDetector()
    live(once, 0, 4 * HOUR, (time) => ({ live: (time < HOUR ? 50 : 70) * MB }))
    expect(once.current.sentence).toMatch(/^No growth that goes on: the live heap has grown by .+ MB in 4 hours, but not all the while\.$/)
  })

  it.each([3, 5, 8])('a leak of %d % an hour is told within eight hours', (percent) => {
    const verdict = new LeakDetector()
    const random = noise(percent, 3 * MB)
    const states = journal(verdict)
    live(verdict, 0, 8 * HOUR, (time) => ({ live: 60 * MB * (1 + percent / 100 * time / HOUR) + random() }))
    expect(states).toContain('leak-suspected')
    expect(verdict.current.state).toBe('leak-suspected')
  })

  it.each([
    ['a ramp of three hours', (hours: number) => 0.25 * Math.min(1, hours / 3)],
    ['a ramp of four hours, from the second one on', (hours: number) => 0.3 * Math.min(1, Math.max(0, hours - 1) / 4)],
    ['a cache that is full after an hour and a half', (hours: number) => 0.6 * Math.min(1, hours / 1.5)],
    ['a cache that comes nearer to its end by e in an hour and a half', (hours: number) => 0.6 * (1 - Math.exp(-hours / 1.5))],
    ['five steps within six hours', (hours: number) => 0.03 * [0.5, 1.6, 3, 4.2, 6].filter((at) => hours >= at).length],
  ])('%s is no leak', (_name, held) => {
    const verdict = new LeakDetector()
    const states = journal(verdict)
    const random = noise(7, MB)
    live(verdict, 0, 9 * HOUR, (time) => ({ live: 60 * MB * (1 + held(time / HOUR)) + random() }))
    expect(states).not.toContain('leak-suspected')
  })

  it.each([
    [120, 1.2], [30, 2.5], [20, 4], [15, 7], [5, 7.5],
  ])('a leak of %d %% an hour is told within %d hours', (percent, hours) => {
    const verdict = new LeakDetector()
    const states = journal(verdict)
    const random = noise(percent, MB)
    live(verdict, 0, hours * HOUR, (time) => ({ live: 60 * MB * (1 + percent / 100 * time / HOUR) + random() }))
    expect(states).toContain('leak-suspected')
  })

  it.each([
    ['two hours', [30, 70, 115], 16], ['four hours', [30, 120, 220], 20], ['six hours', [40, 170, 330], 30],
  ])('features that are rolled out within %s are no leak', (_name, minutes, takes) => {
    const alarmed = [1, 2].filter((seed) => {
      const verdict = new LeakDetector()
      const states = journal(verdict)
      const random = noise(seed, 1.5 * MB)
      const held = (time: number): number => minutes.reduce((sum, minute) => sum + Math.min(1, Math.max(0, (time / MINUTE - minute) / takes)), 0)
      live(verdict, 0, 8 * HOUR, (time) => ({ live: 53 * MB + 4.8 * MB * held(time) + random() }))
      return states.some((state) => state === 'leak-suspected' || state === 'native-growth')
    })
    expect(alarmed).toEqual([])
  })

  it('what slows with the load is not taken back', () => {
    const verdict = new LeakDetector()
    const states = journal(verdict)
    const random = noise(8, 2 * MB)
    const leaked = (time: number): number => time < 3 * HOUR ? 10 * MB * time / HOUR : 30 * MB + 2.5 * MB * (time - 3 * HOUR) / HOUR
    live(verdict, 0, 6 * HOUR, (time) => ({ live: 30 * MB + leaked(time) + random(), rate: time < 3 * HOUR ? 40 : 10 }))
    expect(verdict.current.state).toBe('leak-suspected')
    expect(states.slice(-2)).toEqual(['growing', 'leak-suspected'])
  })

  it('a leak too slow for two hours is found in two days', () => {
    const verdict = new LeakDetector()
    const random = noise(5, 6 * MB)
    for (let hour = 0; hour < 47 && verdict.current.state !== 'leak-suspected'; hour++) {
      live(verdict, hour * HOUR, (hour + 1) * HOUR, (time) => ({ live: 60 * MB + 0.5 * MB * time / HOUR + Math.abs(random()) }))
    }
    expect(verdict.current).toMatchObject({ state: 'leak-suspected' })
    // More than the scale of eight hours sees.
    expect(verdict.current.evidence.span / 3600).toBeGreaterThan(8)
  })

  it('asks for a mark when growth begins, and for what has grown since when it is suspected', async () => {
    const asked: string[] = []
    const sites: GrownCallSite[] = [{ name: 'remember', url: 'app.js', line: 12, growth: 9 * MB }]
    const verdict = new LeakDetector({ callSites: { mark: () => { asked.push('mark') }, grown: () => { asked.push('grown'); return sites } } })
    const suspected = new Promise<Verdict>((resolve) => verdict.on('change', (now) => { if (now.state === 'leak-suspected') resolve(now) }))
    live(verdict, 0, 3 * HOUR, (time) => ({ live: 30 * MB + 10 * MB * time / HOUR }))
    const { evidence, sentence } = await suspected
    expect(asked).toEqual(['mark', 'grown'])
    expect(evidence.callSites).toEqual(sites)
    expect(sentence).toMatch(/What remember \(app\.js:12\) allocates has grown most, by 9\.0 MB\.$/)
    expect(verdict.current.evidence.callSites).toEqual(sites)
  })

  it('stands without call sites when their source fails', async () => {
    const fails = (): never => { throw new Error('no profile') }
    const verdict = new LeakDetector({ callSites: { mark: fails, grown: fails } })
    const suspected = new Promise<Verdict>((resolve) => verdict.on('change', (now) => { if (now.state === 'leak-suspected') resolve(now) }))
    live(verdict, 0, 3 * HOUR, (time) => ({ live: 30 * MB + 10 * MB * time / HOUR }))
    expect((await suspected).evidence.callSites).toEqual([])
  })
})

/** Made-up apps, with many seeds: guards against what fits the recordings alone. */
describe('the verdict on made-up series', () => {
  const SEEDS = 6
  const LOADS: Readonly<Record<string, (moment: number, random: () => number) => number>> = {
    steady: () => 1,
    noisy: (_moment, random) => 0.5 + random(),
    waves: (moment) => 1 + 0.6 * Math.sin(moment * 8 * Math.PI),
    bursts: (moment) => (moment * 7) % 1 < 0.2 ? 3 : 0.5,
    stepUp: (moment) => moment < 0.45 ? 0.6 : 1.4,
  }

  interface MadeUp {
    length: number
    load: (moment: number, random: () => number) => number
    /** Bytes that a share of all requests, or of the time, have left behind. */
    grown: (requests: number, moment: number) => number
    /** How much of the noise of a moment is that of the one before. */
    correlation?: number
  }

  /** Whether a leak was suspected at any time, and whether at the end: 30 MB, of which load makes some, with noise of 3 %. */
  function judge(seed: number, { length, load, grown, correlation = 0.3 }: MadeUp): { alarmed: boolean; found: boolean } {
    const random = seeded(seed)
    const rates = Array.from({ length }, (_, index) => 40 * load(index / length, random))
    const total = rates.reduce((sum, rate) => sum + rate, 0)
    const watch = new GrowthTracker(COLLECTED)
    const points: Point[] = []
    let [requests, rest, alarmed] = [0, 0, false]
    rates.forEach((own, index) => {
      requests += own
      // The sum of twelve has a standard deviation of 1.
      rest = correlation * rest + Math.sqrt(1 - correlation ** 2) * Array.from({ length: 12 }, random).reduce((sum, one) => sum + one, -6)
      const rateBefore = rates[index - 1] ?? own
      const value = (26 * MB + 0.05 * MB * (own + rateBefore)) * (1 + 0.03 * rest) + grown(requests / total, index / length)
      points.push({ time: index * 2 * MINUTE, value, requests: requests * 120, causes: [own, rateBefore, own / 8] })
      if (points.length > 60) points.shift()
      alarmed = watch.update(points) === 'suspected' || alarmed
    })
    return { alarmed, found: watch.state === 'suspected' }
  }

  const count = (said: 'alarmed' | 'found', madeUp: MadeUp): number =>
    Array.from({ length: SEEDS }, (_, seed) => judge(1000 + seed, madeUp)).filter((outcome) => outcome[said]).length

  it.each([0, 0.3, 0.6, 0.8, 0.9])('a level heap whose noise correlates by %d raises no alarm in a day', (correlation) => {
    const day = (moment: number): number => 1 + 0.5 * Math.sin(moment * 2 * Math.PI)
    expect(judge(2001, { length: 720, load: day, grown: () => 0, correlation }).alarmed).toBe(false)
  })

  const under = Object.entries(LOADS)
  it.each(under)('leaks by requests and by time are found: load %s', (_name, load) => {
    expect(count('found', { length: 60, load, grown: (requests) => 14 * MB * requests })).toBe(SEEDS)
    expect(count('found', { length: 60, load, grown: (_requests, moment) => 14 * MB * moment })).toBe(SEEDS)
  })
  it.each(under)('a cache that is full after a sixth is no leak: load %s', (_name, load) => {
    expect(count('alarmed', { length: 40, load, grown: (requests) => 14 * MB * Math.min(1, 6 * requests) })).toBe(0)
  })
  // After a step up in load, growth looks straight for a while: that is where false alarms are left.
  it.each(under)('a cache of a bounded keyspace is no leak: load %s', (name, load) => {
    expect(count('alarmed', { length: 40, load, grown: (requests) => 14 * MB * (1 - Math.exp(-requests / 0.12)) })).toBeLessThanOrEqual(name === 'stepUp' ? 2 : 0)
  })
  it.each(under)('a table that is loaded once is no leak: load %s', (_name, load) => {
    expect(count('alarmed', { length: 40, load, grown: (_requests, moment) => moment < 0.4 ? 0 : 10 * MB })).toBe(0)
  })
})

/** A value a minute for half an hour. */
function pointsOf(value: (index: number) => number, rate: (index: number) => number = () => 40): Point[] {
  let requests = 0
  return Array.from({ length: 30 }, (_, index) => {
    requests += rate(index) * 60
    return { time: index * MINUTE, value: value(index), requests, causes: [rate(index), rate(Math.max(0, index - 1)), 2] }
  })
}

describe('trend', () => {
  const waves = (index: number): number => 40 + 30 * Math.sin(index * 4 * Math.PI / 29)

  it('is not moved by outliers', () => {
    const { slope, recent } = trendOf(pointsOf((index) => index % 7 === 0 ? 900 * MB : index * MB))
    expect(slope * MINUTE / MB).toBeGreaterThan(0.85)
    expect(slope * MINUTE / MB).toBeLessThan(1.15)
    expect(recent).toBeGreaterThan(0.8)
  })
  it('takes out what load adds, at once or a period later', () => {
    for (const delay of [0, 1]) {
      // Load goes up and down twice; memory is load's, and one MB a minute.
      const { slope, noise, comparable, overLoad } = trendOf(pointsOf((index) => (index + waves(Math.max(0, index - delay))) * MB, waves))
      expect(slope * MINUTE / MB).toBeCloseTo(1, 1)
      // Half a percent of the level is the least.
      expect(noise / MB).toBeLessThan(0.4)
      expect(comparable).toBe(true)
      expect(overLoad).toBeGreaterThan(50)
    }
  })
  it('is nothing where load explains all, and says where load crept up', () => {
    const ramp = (index: number): number => 20 + 2 * index
    const trend = trendOf(pointsOf((index) => 10 * MB + ramp(index) * MB, ramp))
    expect(trend).toMatchObject({ comparable: false })
    expect(trend.overLoad).toBeLessThan(1)
  })
  it('tells a line from a step wherever that is', () => {
    const step = (at: number): Trend => trendOf(pointsOf((index) => index < at ? 10 * MB : 30 * MB))
    for (let at = 2; at < 29; at++) expect(lasts(step(at), COLLECTED)).toBe(false)
    for (let at = 10; at < 21; at++) expect(step(at).overStep).toBeLessThan(-1)
    expect(trendOf(pointsOf((index) => index * MB)).overStep).toBeGreaterThan(10)
  })
  it('tells a line from what fills: slower and slower, or up to an end', () => {
    expect(trendOf(pointsOf((index) => 20 * MB * (1 - Math.exp(-index / 6)))).overFilling).toBeLessThan(-5)
    const capped = trendOf(pointsOf((index) => Math.min(12, index) * MB))
    expect(capped.overFilling).toBeLessThan(-5)
    expect(capped.recent).toBeLessThan(0.3)
    expect(trendOf(pointsOf((index) => index * MB)).overFilling).toBeGreaterThan(5)
  })
  it('knows the requests: what each of them leaves is a line by requests, and none by time', () => {
    const slower = (index: number): number => index < 10 ? 100 : 10
    const left = (index: number): number => Array.from({ length: index + 1 }, (_, at) => slower(at)).reduce((sum, rate) => sum + rate, 0)
    const { recent, overFilling } = trendOf(pointsOf((index) => left(index) * 0.05 * MB, slower))
    expect(recent).toBeGreaterThan(0.9)
    expect(overFilling).toBeGreaterThan(0)
  })
  it('believes neighbours that are alike less than as many that are not', () => {
    const wandering = (seed: number): Point[] => {
      const random = seeded(seed)
      let away = 0
      return pointsOf(() => { away = 0.9 * away + random() - 0.5; return (50 + 4 * away) * MB })
    }
    const clear = Array.from({ length: 20 }, (_, seed) => trendOf(wandering(seed)).overLoad).filter((overLoad) => overLoad >= COLLECTED.overLoad)
    expect(clear.length).toBeLessThanOrEqual(2)
  })
  it('a load that is not known explains nothing', () => {
    expect(trendOf(pointsOf((index) => index * MB, () => NaN))).toMatchObject({ comparable: true })
    expect(trendOf(pointsOf((index) => index * MB, () => NaN)).overLoad).toBeGreaterThan(50)
  })
})

describe('a scale', () => {
  it('finds what a closed bucket means in small steps, and all of it before the next one', () => {
    const scale = new TimeScale({ width: MINUTE, capacity: 60, hour: HOUR, thresholds: { heap: COLLECTED, external: COLLECTED, remainder: COLLECTED }, followsRecentLoad: false })
    const steps: number[] = []
    for (let time = 0; time < HOUR; time += MINUTE) {
      if (scale.advance(time) && time > HOUR / 2) {
        let count = 0
        while (scale.hasWork) { scale.step(); count++ }
        steps.push(count)
      }
      scale.collection(50 * MB + 20 * MB * time / HOUR, MB)
      scale.sample({ rss: 100 * MB, heapTotal: 80 * MB, external: MB, requestsPerSecond: 10, inFlight: 1 })
    }
    expect(Math.min(...steps)).toBeGreaterThan(50)
    expect(scale.growth.heap.state).toBe('suspected')
    scale.advance(HOUR)
    scale.collection(70 * MB, MB)
    scale.advance(HOUR + MINUTE)
    expect(scale.hasWork).toBe(true)
    expect(scale.growth.heap.trend?.span).toBe(60 * MINUTE - MINUTE)
  })
})

describe('buckets', () => {
  it('hold a fixed number, and the lowest value of each', () => {
    const buckets = new Buckets(MINUTE, 5)
    for (let time = 0; time < 60 * MINUTE; time += 10_000) {
      buckets.advance(time)
      buckets.collection(100 - (time / 10_000) % 6, 7)
      buckets.sample({ rss: 157 + (time / 10_000) % 6, heapTotal: 100, external: 7, requestsPerSecond: 10, inFlight: 1 })
    }
    expect(buckets.closed).toHaveLength(5)
    expect(buckets.closed[4]).toEqual({ time: 58.5 * MINUTE, heap: 95, external: 7, remainder: 150, heapTotal: 100, largestHeap: 100, peakHeap: 100, rate: 10, rateBefore: 10, rateLately: 10, inFlight: 1, requests: 35_400, collections: 6 })
  })
})

describe('words', () => {
  it.each([[0, '0 B'], [999, '999 B'], [1500, '1.5 KB'], [999_700, '1.0 MB'], [24_100_000, '24.1 MB'], [213e6, '213 MB'], [-2e6, '-2.0 MB']])('%d bytes are %s', (value, words) => {
    expect(formatBytes(value)).toBe(words)
  })
  it.each([[0, '1 minute'], [300, '5 minutes'], [7199, '120 minutes'], [7200, '2 hours'], [200_000, '2 days']])('%d seconds are %s', (value, words) => {
    expect(duration(value)).toBe(words)
  })
})
