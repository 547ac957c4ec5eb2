/** Values as people read them. Times are local and as the browser's language writes them; names of days are English, as the page is. */
import { duration, octets } from '../../units.js'

export const UNKNOWN = '–'

export function memory(value: number | null): string {
  return value === null ? UNKNOWN : octets(value)
}

/** With its sign. */
export function growth(value: number | null): string {
  if (value === null) return UNKNOWN
  return value > 0 ? `+${octets(value)}` : octets(value).replace('-', '−')
}

export function perSecond(value: number | null): string {
  if (value === null) return UNKNOWN
  return value.toLocaleString('en', { maximumFractionDigits: value < 10 ? 1 : 0 })
}

export function milliseconds(value: number | null): string {
  if (value === null) return UNKNOWN
  if (value >= 10_000) return `${(value / 1000).toFixed(0)} s`
  return value >= 1000 ? `${(value / 1000).toFixed(1)} s` : `${value.toFixed(value < 10 ? 1 : 0)} ms`
}

/** A share such as `62 %`. */
export function percent(part: number, whole: number): string {
  if (!(whole > 0)) return UNKNOWN
  const share = (100 * part) / whole
  return `${share > 0 && share < 1 ? '<1' : share.toFixed(0)} %`
}

/** Seconds: short spans too. */
export function span(seconds: number): string {
  if (seconds >= 60) return duration(seconds)
  const count = Math.max(0, Math.round(seconds))
  return `${String(count)} second${count === 1 ? '' : 's'}`
}

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' })
const MINUTES = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' })
const WEEKDAY = new Intl.DateTimeFormat('en-GB', { weekday: 'short' })
const DAY = new Intl.DateTimeFormat('en-GB', { weekday: 'short', day: 'numeric' })

export function clock(time: number): string {
  return CLOCK.format(time)
}

/** With the day where it is not today's. */
export function moment(time: number, now: number): string {
  const minutes = MINUTES.format(time)
  return new Date(time).toDateString() === new Date(now).toDateString() ? minutes : `${WEEKDAY.format(time)} ${minutes}`
}

/** A tick of the time axis, `step` ms from the next. */
export function tick(time: number, step: number): string {
  const date = new Date(time)
  if (step < 60_000) return CLOCK.format(time)
  return date.getHours() === 0 && date.getMinutes() === 0 && step >= 3_600_000 ? DAY.format(time) : MINUTES.format(time)
}

/** What local time is ahead of UTC, ms. */
export function localOffset(time: number): number {
  return -new Date(time).getTimezoneOffset() * 60_000
}
