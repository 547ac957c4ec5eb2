/** The figures of one moment, above the chart, which are its legend too. */
import { byId, setText } from './dom.js'
import { clock, memory, milliseconds, moment, percent, perSecond, UNKNOWN } from './format.js'
import type { Collection, Limits, Row } from './wire.js'
import { readoutText } from './words.js'

export interface Reading {
  /** Undefined where there are no samples. */
  row: Row | undefined
  /** Whether it is the newest. */
  newest: boolean
  limits: Limits
  collections: readonly Collection[]
}

const TILES = { rss: byId('figure-rss'), liveHeap: byId('figure-live-heap'), external: byId('figure-external'), load: byId('figure-load') }
const NOTES = { rss: byId('note-rss'), liveHeap: byId('note-live-heap'), external: byId('note-external'), load: byId('note-load') }

/** Shows it, and gives the words for those who do not see it. */
export function showReading({ row, newest, limits, collections }: Reading): string {
  if (row === undefined) {
    for (const tile of Object.values(TILES)) setText(tile, UNKNOWN)
    setText(byId('moment'), 'No samples yet')
    return 'No samples yet'
  }
  setText(TILES.rss, memory(row.rss))
  setText(TILES.liveHeap, memory(row.liveHeap))
  setText(TILES.external, memory(row.external))
  setText(TILES.load, perSecond(row.requestsPerSecond))
  setText(NOTES.rss, lines(shareOf(row.cgroup ?? row.rss, limits.cgroup, 'cgroup limit'), `V8’s heap ${memory(row.heapTotal)}`))
  setText(NOTES.liveHeap, collectionNote(row, limits, collections))
  setText(NOTES.external, `ArrayBuffers ${memory(row.arrayBuffers)}`)
  setText(NOTES.load, lines(`${row.inFlight === null ? UNKNOWN : String(row.inFlight)} in flight`, `loop delay ${milliseconds(row.loopDelay)}`))
  const when = momentOf(row.time)
  setText(byId('moment'), newest ? `Now, ${clock(row.time)}` : when)
  if (newest) return 'Now, the newest sample'
  return readoutText(when, [['RSS', row.rss], ['live heap', row.liveHeap], ['external', row.external]], perSecond(row.requestsPerSecond))
}

function momentOf(time: number): string {
  const today = new Date(time).toDateString() === new Date().toDateString()
  return today ? clock(time) : moment(time, Date.now())
}

function shareOf(value: number | null, limit: number | null, name: string): string {
  return value === null || limit === null ? '' : `${percent(value, limit)} of ${name}`
}

/** The last collection before the moment, and how near the limit the heap is. */
function collectionNote({ time, liveHeap }: Row, limits: Limits, collections: readonly Collection[]): string {
  const last = collections.findLast((collection) => collection.time <= time)
  const share = shareOf(liveHeap, limits.heap, 'heap limit')
  const collected = last === undefined ? 'no major GC yet' : `${last.forced ? 'forced ' : ''}GC ${short(time - last.time)} before, ${milliseconds(last.durationMs)}`
  return lines(share, collected)
}

/** ms, in a few letters. */
function short(ms: number): string {
  return ms < 60_000 ? `${String(Math.round(ms / 1000))} s` : `${String(Math.round(ms / 60_000))} min`
}

function lines(...parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join('\n')
}
