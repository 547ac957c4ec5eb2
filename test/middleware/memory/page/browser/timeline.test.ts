import { describe, expect, it } from '@jest/globals'
import { firstFrom, HOUR, intervals, nearest, noColumns, rowAt, stretch, Timeline } from '../../../../../middleware/memory/page/browser/timeline.js'
import { COLUMN_NAMES, type Row } from '../../../../../middleware/memory/page/browser/api.js'

const SECOND = 1000

function row(time: number, value: number, changes: Partial<Row> = {}): Row {
  return { time, ...Object.fromEntries(COLUMN_NAMES.map((name) => [name, value])) as Omit<Row, 'time'>, ...changes }
}

describe('Timeline', () => {
  it('holds an hour of fine samples and a day of coarse ones, however long it runs', () => {
    const timeline = new Timeline()
    for (let time = 0; time <= 25 * HOUR; time += 2 * SECOND) timeline.add(row(time, time))
    expect(timeline.fine.time.at(0)).toBe(24 * HOUR)
    expect(timeline.fine.time).toHaveLength(1801)
    expect(timeline.coarse.time.at(0)).toBe(HOUR)
    expect(timeline.coarse.time).toHaveLength(2881)
    for (const name of COLUMN_NAMES) expect(timeline.coarse[name]).toHaveLength(2881)
  })

  it('keeps the most of each half minute, and the mean of the load', () => {
    const timeline = new Timeline()
    for (const [time, value] of [[0, 5], [10, 9], [20, 3], [30, 1]] as const) timeline.add(row(time * SECOND, value, { cgroup: time === 10 ? 7 : null }))
    expect(timeline.coarse.time).toEqual([0, 30_000])
    expect(timeline.coarse.rss).toEqual([9, 1])
    expect(timeline.coarse.cgroup).toEqual([7, null])
    expect(timeline.coarse.requestsPerSecond).toEqual([17 / 3, 1])
  })

  it('leaves the half minutes of the server as they are', () => {
    const server = new Timeline()
    server.add(row(0, 5))
    const timeline = new Timeline(server.fine, server.coarse)
    timeline.add(row(1000, 9))
    expect(timeline.coarse.rss).toEqual([5, 9])
  })

  it('ignores what it has', () => {
    const timeline = new Timeline()
    timeline.add(row(2000, 1))
    timeline.add(row(2000, 2))
    timeline.add(row(1000, 3))
    expect(timeline.fine.rss).toEqual([1])
    timeline.addCollection({ time: 5, durationMs: 1, forced: false })
    timeline.addCollection({ time: 5, durationMs: 1, forced: false })
    expect(timeline.collections).toHaveLength(1)
  })

  it('bounds the collections', () => {
    const timeline = new Timeline()
    for (let time = 1; time <= 5000; time++) timeline.addCollection({ time, durationMs: 1, forced: false })
    expect(timeline.collections).toHaveLength(1024)
    expect(timeline.collections.at(-1)?.time).toBe(5000)
  })
})

describe('looking up', () => {
  it('finds times', () => {
    const times = [10, 20, 40]
    expect([5, 10, 11, 40, 41].map((time) => firstFrom(times, time))).toEqual([0, 0, 1, 2, 3])
    expect([0, 14, 16, 30, 31, 99].map((time) => nearest(times, time))).toEqual([0, 0, 1, 1, 2, 2])
    expect(nearest([], 5)).toBe(-1)
  })

  it('gives rows, and none where there is none', () => {
    const timeline = new Timeline()
    timeline.add(row(7, 3))
    expect(rowAt(timeline.fine, 0)).toEqual(row(7, 3))
    expect(rowAt(timeline.fine, 1)).toBeUndefined()
    expect(rowAt(timeline.fine, -1)).toBeUndefined()
  })

  it('draws at least two minutes and at most an hour, at least an hour and at most a day', () => {
    expect(stretch(noColumns(), 'hour', 500_000)).toEqual({ from: 380_000, to: 500_000 })
    const timeline = new Timeline()
    for (let time = 0; time <= 10 * 60; time += 10) timeline.add(row(time * SECOND, 1))
    expect(stretch(timeline.fine, 'hour', 0)).toEqual({ from: 0, to: 600_000 })
    expect(stretch(timeline.coarse, 'day', 0)).toEqual({ from: 600_000 - HOUR, to: 600_000 })
  })
})

describe('intervals', () => {
  it('have the most of each, newest first, and the last live heap', () => {
    const timeline = new Timeline()
    for (const [second, value] of [[0, 5], [30, 9], [59, 3], [60, 1], [61, 2]] as const) timeline.add(row(second * SECOND, value, second === 59 ? { rss: null } : {}))
    expect(intervals(timeline.fine, 60 * SECOND)).toEqual([
      { time: 60_000, rss: 2, liveHeap: 2, external: 2, cgroup: 2, requestsPerSecond: 2 },
      { time: 0, rss: 9, liveHeap: 3, external: 9, cgroup: 9, requestsPerSecond: 9 },
    ])
    expect(intervals(noColumns(), 1000)).toEqual([])
  })
})
