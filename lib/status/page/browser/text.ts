/** Figures as people read them. */

/** For what is not known. */
export const UNKNOWN = '–'

/** A count, or a rate: one decimal below ten. */
export function amount(value: number | null | undefined): string {
  if (value === null || value === undefined) return UNKNOWN
  return value.toLocaleString('en', { maximumFractionDigits: Math.abs(value) < 10 ? 1 : 0 })
}

/** A share of 0 to 1. */
export function percent(share: number | null | undefined): string {
  return share === null || share === undefined ? UNKNOWN : `${String(Math.round(share * 100))} %`
}

/** Bytes in decimal units. */
export function memory(bytes: number | null | undefined): string {
  if (bytes === null || bytes === undefined) return UNKNOWN
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(2)} GB`
  return bytes >= 1e6 ? `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB` : `${(bytes / 1e3).toFixed(0)} kB`
}

/** A stretch of time, in its two largest units. */
export function span(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000))
  const parts = [[86_400, 'd'], [3600, 'h'], [60, 'min'], [1, 's']] as const
  const first = parts.findIndex(([size]) => seconds >= size)
  if (first === -1) return '0 s'
  let rest = seconds
  return parts.slice(first, first + 2).map(([size, unit]) => {
    const count = Math.floor(rest / size)
    rest -= count * size
    return count === 0 ? '' : `${String(count)} ${unit}`
  }).filter((part) => part !== '').join(' ')
}

/** A number with its noun. */
export function counted(number: number, noun: string): string {
  return `${number.toLocaleString('en')} ${noun}${number === 1 ? '' : 's'}`
}

const SECONDS = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' })
const MINUTES = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' })

/** The time of day; without seconds where they are none. */
export function clock(time: number, withSeconds = true): string {
  return (withSeconds ? SECONDS : MINUTES).format(time)
}
