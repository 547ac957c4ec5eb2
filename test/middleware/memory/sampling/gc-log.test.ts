/** What the log of collections counts, beside what V8 prints of itself. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, describe, expect, it } from '@jest/globals'
import { GcLog, type GcSummary, type Pause, type PauseColumns } from '../../../../middleware/memory/sampling/gc-log.js'
import type { CollectionInput } from '../../../../middleware/memory/leak-detector/verdict.js'
import { collectGarbage } from '../../../../middleware/memory/settle-check.js'

const logs: GcLog[] = []

afterEach(() => {
  for (const log of logs.splice(0)) log.close()
})

function logWith(options: ConstructorParameters<typeof GcLog>[0] = {}): GcLog {
  const log = new GcLog(options)
  logs.push(log)
  return log
}

/** Until what V8 has told Node has been delivered. */
async function delivered(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await new Promise(setImmediate)
}

const run = promisify(execFile)
const programPath = (name: string): string => fileURLToPath(new URL(`../programs/${name}.js`, import.meta.url))

describe('beside --trace-gc', () => {
  it('every line of a major and of a minor collection is counted, and no other', async () => {
    // How often V8 collects young objects depends on the machine where it may choose how much room they have.
    const { stdout } = await run(process.execPath, ['--max-semi-space-size=1', programPath('collecting')], { maxBuffer: 16 * 1024 * 1024 })
    const [, printed = '', json = ''] = /^([^]*)\ncounted (.*)$/m.exec(stdout) ?? []
    const { before, after } = JSON.parse(json) as { before: GcSummary; after: GcSummary }
    const lines = (kind: RegExp): number => printed.split('\n').filter((line) => kind.test(line)).length
    const [major, minor] = [after.major - before.major, after.minor - before.minor]
    expect(minor).toBeGreaterThan(5)
    expect(major).toBeGreaterThanOrEqual(3)
    expect([major, minor]).toEqual([lines(/ ms: (?:Incremental )?Mark-Compact /), lines(/ ms: (?:Scavenge|Minor Mark-)/)])
    expect(after.forced - before.forced).toBeGreaterThanOrEqual(3)
  })
})

describe('the log', () => {
  it('keeps the pauses of major collections as Go does: number n at index (n + 255) % 256', async () => {
    const pauses: Pause[] = []
    const log = logWith({ onPause: (pause) => { pauses.push(pause) } })
    expect(log.summary().lastGc).toBe(0)
    await log.forcing(collectGarbage)
    await delivered()
    const { major, pauseNs, pauseEnd, pauseTotalNs, lastGc, forced } = log.summary()
    expect(major).toBe(pauses.length)
    expect(forced).toBeGreaterThanOrEqual(1)
    expect([pauseNs.length, pauseEnd.length]).toEqual([256, 256])
    expect(pauseNs.slice(0, major).every((ns) => ns > 0)).toBe(true)
    expect(pauseNs.slice(major).every((ns) => ns === 0)).toBe(true)
    expect(pauseNs.reduce((sum, ns) => sum + ns)).toBe(pauseTotalNs)
    expect(lastGc).toBe(pauseEnd[major - 1])
    expect(Math.abs(Date.now() - lastGc)).toBeLessThan(60_000)
    expect(log.pauses()).toEqual({
      time: pauses.map(({ time }) => time), durationMs: pauses.map(({ durationMs }) => durationMs), forced: pauses.map(() => true),
    })
  })

  it('holds the last 256 of more', async () => {
    const { stdout } = await run(process.execPath, [programPath('many-collections')])
    const { summary, pauses, ends } = JSON.parse(stdout) as { summary: GcSummary; pauses: PauseColumns; ends: number[] }
    expect(summary.major).toBeGreaterThanOrEqual(300)
    expect(pauses.time).toEqual(ends.slice(-256))
    expect(summary.pauseEnd[(summary.major + 255) % 256]).toBe(ends.at(-1))
    expect(summary.pauseEnd[summary.major % 256]).toBe(ends.at(-256))
  })

  it('tells of the live heap after a major collection', async () => {
    const collections: CollectionInput[] = []
    const log = logWith({ onCollection: (collection) => { collections.push(collection) } })
    expect(log.liveHeap).toBeNull()
    let kept: unknown = Array.from({ length: 200_000 }, (_, index) => ({ index }))
    await log.forcing(collectGarbage)
    await delivered()
    log.flush()
    const held = collections.at(-1)
    expect(log.liveHeap).toBe(held?.live)
    expect(held?.external).toBeGreaterThan(0)
    expect(held?.time).toBeLessThanOrEqual(performance.now())
    expect(kept).toBeDefined()
    kept = undefined
    await log.forcing(collectGarbage)
    await delivered()
    log.flush()
    expect((held?.live ?? 0) - (log.liveHeap ?? 0)).toBeGreaterThan(3_000_000)
  })

  it('does not take what nobody asked for as forced, and counts no more once it is closed', async () => {
    const log = logWith()
    let rows: unknown[] = []
    while (log.counts().minor < 3) {
      rows = Array.from({ length: 10_000 }, (_, index) => ({ index }))
      await new Promise(setImmediate)
    }
    expect(rows).toHaveLength(10_000)
    expect(log.counts().forced).toBe(0)
    log.close()
    const { minor, major } = log.counts()
    await collectGarbage()
    await delivered()
    expect(log.counts()).toMatchObject({ minor, major })
  })
})
