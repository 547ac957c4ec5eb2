/** Times as web servers write them into logs. Of each second the text is made once. */

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'] as const
const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'] as const

/** Makes the text of a time, ms since 1970. */
export type TimeFormat = (time: number) => string

/** A format of whole seconds, which remembers the text of the last one. */
function eachSecond(format: (date: Date) => string): TimeFormat {
  let [known, text] = [NaN, '']
  return (time) => {
    const second = Math.floor(time / 1000)
    if (second !== known) [known, text] = [second, format(new Date(second * 1000))]
    return text
  }
}

/** `27/Nov/2026:17:10:00 +0000`, in local time. */
export const commonLogTime: TimeFormat = eachSecond((date) => `${two(date.getDate())}/${MONTHS[date.getMonth()] ?? ''}/${String(date.getFullYear())}:${clock(date)} ${zone(date, '')}`)

/** `2026-11-27T17:10:00+00:00`, in local time. */
export const isoTime: TimeFormat = eachSecond((date) => `${day(date)}T${clock(date)}${zone(date, ':')}`)

/** What `%{…}t` may hold, by the letters of strftime. */
const STRFTIME: Readonly<Record<string, (date: Date) => string>> = {
  '%': () => '%',
  'a': (date) => DAYS[date.getDay()] ?? '',
  'b': (date) => MONTHS[date.getMonth()] ?? '',
  'd': (date) => two(date.getDate()),
  'e': (date) => String(date.getDate()).padStart(2, ' '),
  'F': day,
  'H': (date) => two(date.getHours()),
  'M': (date) => two(date.getMinutes()),
  'm': (date) => two(date.getMonth() + 1),
  'S': (date) => two(date.getSeconds()),
  's': (date) => String(Math.floor(date.getTime() / 1000)),
  'T': clock,
  'Y': (date) => String(date.getFullYear()),
  'y': (date) => two(date.getFullYear() % 100),
  'z': (date) => zone(date, ''),
}

/** Parts of a second, and counts since 1970, by Apache's words. */
const WORDS: Readonly<Record<string, TimeFormat>> = {
  sec: (time) => String(Math.floor(time / 1000)),
  msec: (time) => String(Math.floor(time)),
  usec: (time) => String(Math.floor(time * 1000)),
  msec_frac: (time) => String(Math.floor(time) % 1000).padStart(3, '0'),
  usec_frac: (time) => String(Math.floor(time * 1000) % 1_000_000).padStart(6, '0'),
}

/** Reads the format of `%{format}t`; undefined where a letter of it is not known. */
export function timeFormatOf(format: string): TimeFormat | undefined {
  const word = Object.hasOwn(WORDS, format) ? WORDS[format] : undefined
  if (word !== undefined) return word
  const letters = [...format.matchAll(/%(.?)/g)].map(([, letter = '']) => letter)
  if (letters.some((letter) => !Object.hasOwn(STRFTIME, letter))) return undefined
  return eachSecond((date) => format.replace(/%(.)/g, (_, letter: string) => STRFTIME[letter]?.(date) ?? ''))
}

function two(value: number): string {
  return value < 10 ? `0${String(value)}` : String(value)
}

function day(date: Date): string {
  return `${String(date.getFullYear())}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
}

function clock(date: Date): string {
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
}

function zone(date: Date, separator: string): string {
  const minutes = -date.getTimezoneOffset()
  const away = Math.abs(minutes)
  return `${minutes < 0 ? '-' : '+'}${two(Math.floor(away / 60))}${separator}${two(away % 60)}`
}
