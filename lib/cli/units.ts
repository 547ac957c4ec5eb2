/** Lengths of time and sizes, as people write them. Pure. */

const TIME_UNITS: Readonly<Record<string, number>> = { '': 1, ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const SIZE_UNITS: Readonly<Record<string, number>> = { '': 1, b: 1, k: 1024, kb: 1024, m: 1024 ** 2, mb: 1024 ** 2, g: 1024 ** 3, gb: 1024 ** 3 }

/**
 * `500ms`, `30s`, `2m`, `1h`, `1d`, or a number of milliseconds.
 * @param text what was written
 * @returns whole milliseconds; undefined where it is no length of time
 */
export function durationMs(text: string): number | undefined {
  return inUnits(text, TIME_UNITS)
}

/**
 * `512KB`, `16MB`, `1GB`, or a number of bytes; a kilobyte has 1024 bytes.
 * @param text what was written
 * @returns whole bytes; undefined where it is no size
 */
export function sizeBytes(text: string): number | undefined {
  return inUnits(text, SIZE_UNITS)
}

function inUnits(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const [, number, unit = ''] = /^\s*(\d{1,15}(?:\.\d{1,6})?) ?([a-z]*)\s*$/i.exec(text) ?? []
  const factor = Object.hasOwn(units, unit.toLowerCase()) ? units[unit.toLowerCase()] : undefined
  if (number === undefined || factor === undefined) return undefined
  const value = Number(number) * factor
  // 0 means something else: what is less than one is one.
  return value > 0 ? Math.max(1, Math.round(value)) : 0
}
