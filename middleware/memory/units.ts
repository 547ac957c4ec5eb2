/** Bytes and seconds in words, for people: in the verdict, in the settle check and on the page. Pure; runs in browsers too. */

const UNITS = ['B', 'KB', 'MB', 'GB', 'TB'] as const
const MINUTE = 60
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** Bytes with a unit, decimal, such as `24.1 MB`. */
export function formatBytes(value: number): string {
  let unit = 0
  let scaled = Math.abs(value)
  for (; scaled >= 999.5 && unit < UNITS.length - 1; unit++) scaled /= 1000
  const digits = unit === 0 || scaled >= 100 ? 0 : 1
  return `${value < 0 ? '-' : ''}${scaled.toFixed(digits)} ${UNITS[unit] ?? ''}`
}

/** Seconds as words, such as `5 minutes`. */
export function duration(seconds: number): string {
  const [unit, name] = seconds >= 2 * DAY ? [DAY, 'day'] : seconds >= 2 * HOUR ? [HOUR, 'hour'] : [MINUTE, 'minute']
  const count = Math.max(1, Math.round(seconds / unit))
  return `${String(count)} ${name}${count === 1 ? '' : 's'}`
}
