/** When a worker that has died is replaced, and when there have been too many deaths. */
import { describe, expect, it } from '@jest/globals'
import { RespawnPolicy, type Death } from '../../lib/workers/respawn.js'

const MINUTE = 60_000
const EARLY = 999
const LATE = 1000

const exited = (readyFor = EARLY, code = 1): Death => ({ code, signal: null, readyFor })
const NEVER_READY: Death = { code: 1, signal: null, readyFor: undefined }
const killed = (signal: NodeJS.Signals, readyFor = EARLY): Death => ({ code: null, signal, readyFor })

/** What a policy says of such deaths, one a second. */
function waits(policy: RespawnPolicy, deaths: readonly Death[], begin = 0): (number | undefined)[] {
  return deaths.map((death, second) => policy.onDeath(death, begin + second * 1000))
}

const times = (count: number, death: Death): Death[] => Array.from({ length: count }, () => death)
const patient = (): RespawnPolicy => new RespawnPolicy(1000, MINUTE)

describe('a worker that dies early', () => {
  it('is replaced at once the first time; then each waits twice as long as the one before, 5 s at most', () => {
    expect(waits(patient(), times(10, exited()))).toEqual([0, 100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000])
  })

  it('waits as long where it was never ready, and where somebody has killed it', () => {
    expect(waits(patient(), times(4, NEVER_READY))).toEqual([0, 100, 200, 400])
    expect(waits(patient(), times(4, killed('SIGKILL')))).toEqual([0, 100, 200, 400])
  })

  it('is early within a second after it was ready', () => {
    expect(waits(patient(), times(3, exited(EARLY)))).toEqual([0, 100, 200])
    expect(waits(patient(), times(3, exited(LATE)))).toEqual([0, 0, 0])
  })

  it('begins anew after one that has worked for a while', () => {
    expect(waits(patient(), [exited(), exited(), exited(), exited(LATE), exited(), exited(), exited()])).toEqual([0, 100, 200, 0, 0, 100, 200])
  })

  it('never waits longer than that, however many there are', () => {
    expect(waits(patient(), times(1000, killed('SIGKILL'))).at(-1)).toBe(5000)
  })
})

describe('it is given up', () => {
  it('by one death more than are borne', () => {
    expect(waits(new RespawnPolicy(3, MINUTE), times(4, exited(LATE)))).toEqual([0, 0, 0, undefined])
  })

  it('by the first where none is borne', () => {
    expect(new RespawnPolicy(0, MINUTE).onDeath(exited(LATE), 0)).toBeUndefined()
  })

  it('only by deaths within the interval', () => {
    const policy = new RespawnPolicy(2, MINUTE)
    const moments = [0, 1, MINUTE, MINUTE + 1, 2 * MINUTE, 3 * MINUTE, 3 * MINUTE + 1]
    expect(moments.map((now) => policy.onDeath(exited(LATE), now))).toEqual(moments.map(() => 0))
    expect(policy.onDeath(exited(LATE), 4 * MINUTE - 1)).toBeUndefined()
  })

  it('whether they come early or late', () => {
    expect(waits(new RespawnPolicy(2, MINUTE), [NEVER_READY, exited(LATE), exited()])).toEqual([0, 0, undefined])
  })

  it.each(['SIGSEGV', 'SIGABRT', 'SIGBUS', 'SIGILL', 'SIGFPE'] as const)('where they end by %s, or with status 0, as by any other fault of their own', (signal) => {
    expect(waits(new RespawnPolicy(1, MINUTE), [exited(LATE, 0), killed(signal, LATE)])).toEqual([0, undefined])
  })

  it.each(['SIGKILL', 'SIGTERM'] as const)('not where somebody ends workers that are ready by %s, as often as they like', (signal) => {
    const policy = new RespawnPolicy(1, MINUTE)
    expect(waits(policy, times(100, killed(signal, LATE)))).toEqual(times(100, killed(signal)).map(() => 0))
    expect(policy.onDeath(exited(LATE), 100_000)).toBe(0)
    expect(policy.onDeath(exited(LATE), 100_001)).toBeUndefined()
  })

  it('where those are not ready yet: the pool itself kills a worker that does not start', () => {
    expect(waits(new RespawnPolicy(1, MINUTE), times(2, { code: null, signal: 'SIGKILL', readyFor: undefined }))).toEqual([0, undefined])
  })
})
