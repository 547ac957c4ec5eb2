/** The endpoint as the page sees it: what it reads and whether an answer has that shape, how it asks, and what went wrong in words. */

/** The columns that are drawn or listed, besides the time. */
export const COLUMN_NAMES = [
  'rss', 'liveHeap', 'heapUsed', 'heapTotal', 'external', 'arrayBuffers', 'cgroup', 'loopDelay', 'inFlight', 'requestsPerSecond',
] as const
/** A quantity that samples have. */
export type ColumnName = (typeof COLUMN_NAMES)[number]

/** A column of samples; null where a value is not known. */
export type Values = (number | null)[]
/** All of one length. */
export type Columns = { time: number[] } & Record<ColumnName, Values>
/** One sample. `time`: ms since 1970. */
export type Row = { time: number } & Record<ColumnName, number | null>

/** Which process is shown. */
export interface ProcessInfo {
  pid: number
  /** Its name under a supervisor. */
  worker: string | null
  node: string
  /** Seconds. */
  uptime: number
  argv: string
}

/** A space of V8's heap, in bytes. */
export interface Space {
  name: string
  used: number
  size: number
  available: number
  physical: number
}

/** A major garbage collection. */
export interface Collection {
  time: number
  durationMs: number
  forced: boolean
}

/** Major collections, oldest first, in columns. */
export interface Collections {
  time: number[]
  durationMs: number[]
  forced: boolean[]
}

/** Limits of the memory, in bytes; null where there is none. */
export interface Limits {
  heap: number | null
  cgroup: number | null
}

/** A call site of the verdict's evidence. */
export interface GrownCallSite {
  name: string
  url: string
  line: number
  growth: number
}

/** What the verdict may be. */
export type VerdictState = 'warming' | 'ok' | 'growing' | 'leak-suspected' | 'native-growth'

/** What the verdict rests on. */
export interface Evidence {
  quantity: 'heap' | 'external' | 'remainder'
  bytesPerSecond: number
  growth: number
  /** Seconds. */
  span: number
  noise: number
  level: number
  points: number
  pointsNeeded: number
  collections: number
  likeLoad: boolean
  /** Seconds. */
  timeToLimit: number | null
  limit: 'heap' | 'cgroup' | null
  callSites: readonly GrownCallSite[]
}

/** What the leak detector says. */
export interface Verdict {
  state: VerdictState
  since: number
  sentence: string
  evidence: Evidence
}

/** A part of the resident memory. */
export interface SettlePart {
  part: string
  octets: number
  meaning: string
  remedy: string
}

/** What a settle check has found. */
export interface SettleReport {
  trigger: 'request' | 'load-drop'
  collectionMs: number
  explained: readonly SettlePart[]
  sentence: string
}

/** What the app lets visitors do. */
export interface Allowed {
  gc: boolean
  snapshot: boolean
  profiles: boolean
}

/** GET history */
export interface History {
  process: ProcessInfo
  /** Every process that can be asked for with `?pid=`, under a supervisor. */
  processes?: readonly ProcessInfo[] | undefined
  limits: Limits | null
  fine: Columns
  coarse: Columns
  gc: Collections
  spaces: readonly Space[]
  verdict: Verdict
  settle: SettleReport | null
  allowed: Allowed
}

/** A place in the code that holds part of the heap. */
export interface CallSite {
  name: string
  url: string
  line: number
  octets: number
  growth: number | null
  /** Growth of no more may be chance. */
  margin?: number | undefined
}

/** GET callsites */
export interface CallSites {
  /** When the mark was set. */
  mark: number | null
  /** Seconds since the profile was taken, where it was for somebody else. */
  age?: number | undefined
  sites: readonly CallSite[]
}

/** Event `sample`. */
export type Sample = Row & { spaces: readonly Space[] }

type Check = (value: unknown) => boolean
type Members = Record<string, unknown>

const number: Check = (value) => typeof value === 'number'
const string: Check = (value) => typeof value === 'string'
const flag: Check = (value) => typeof value === 'boolean'
const nullable = (check: Check): Check => (value) => value === null || check(value)
const optional = (check: Check): Check => (value) => value === undefined || check(value)
const listOf = (check: Check): Check => (value) => Array.isArray(value) && value.every(check)

function shape(members: Readonly<Record<string, Check>>): Check {
  return (value) => isObject(value) && Object.entries(members).every(([name, check]) => check(value[name]))
}

function everyColumn(check: Check): Record<string, Check> {
  return Object.fromEntries(COLUMN_NAMES.map((name) => [name, check]))
}

/** Whose lists are all of one length. */
function table(members: Readonly<Record<string, Check>>): Check {
  const lists = shape(members)
  return (value) => {
    if (!isObject(value) || !lists(value)) return false
    return new Set(Object.keys(members).map((name) => (value[name] as unknown[]).length)).size === 1
  }
}

const PROCESS = shape({ pid: number, worker: nullable(string), node: string, uptime: number, argv: string })
const SPACES = listOf(shape({ name: string, used: number, size: number, available: number, physical: number }))
const COLUMNS = table({ time: listOf(number), ...everyColumn(listOf(nullable(number))) })
const EVIDENCE = shape({
  quantity: string, bytesPerSecond: number, growth: number, span: number, noise: number, level: number, points: number, pointsNeeded: number,
  collections: number, likeLoad: flag, timeToLimit: nullable(number), limit: nullable(string),
  callSites: listOf(shape({ name: string, url: string, line: number, growth: number })),
})
const VERDICT = shape({ state: string, since: number, sentence: string, evidence: EVIDENCE })
const SETTLE = shape({
  trigger: string, collectionMs: number, sentence: string,
  explained: listOf(shape({ part: string, octets: number, meaning: string, remedy: string })),
})
const HISTORY = shape({
  process: PROCESS,
  processes: optional(listOf(PROCESS)),
  limits: nullable(shape({ heap: nullable(number), cgroup: nullable(number) })),
  fine: COLUMNS,
  coarse: COLUMNS,
  gc: table({ time: listOf(number), durationMs: listOf(number), forced: listOf(flag) }),
  spaces: SPACES,
  verdict: VERDICT,
  settle: nullable(SETTLE),
  allowed: shape({ gc: flag, snapshot: flag, profiles: flag }),
})
const SAMPLE = shape({ time: number, spaces: SPACES, ...everyColumn(nullable(number)) })
const COLLECTION = shape({ time: number, durationMs: number, forced: flag })
const CALL_SITES = shape({
  mark: nullable(number),
  age: optional(number),
  sites: listOf(shape({ name: string, url: string, line: number, octets: number, growth: nullable(number), margin: optional(number) })),
})

/** Whether it is a history. */
export function isHistory(value: unknown): value is History {
  return HISTORY(value)
}

/** Whether it is a sample. */
export function isSample(value: unknown): value is Sample {
  return SAMPLE(value)
}

/** Whether it is a collection. */
export function isCollection(value: unknown): value is Collection {
  return COLLECTION(value)
}

/** Whether it is a verdict. */
export function isVerdict(value: unknown): value is Verdict {
  return VERDICT(value)
}

/** Whether it is the report of a settle check. */
export function isSettleReport(value: unknown): value is SettleReport {
  return SETTLE(value)
}

/** Whether it is a list of call sites. */
export function isCallSites(value: unknown): value is CallSites {
  return CALL_SITES(value)
}

/** Whether it is an object with members. */
export function isObject(value: unknown): value is Members {
  return typeof value === 'object' && value !== null
}

/** The process that a message is about: every one carries `pid`, or `process.pid` as `history` does. */
export function pidOf(message: unknown): number | undefined {
  if (!isObject(message)) return undefined
  const { pid, process } = message
  if (typeof pid === 'number') return pid
  return isObject(process) && typeof process['pid'] === 'number' ? process['pid'] : undefined
}

/** The value of an answer, or what went wrong in words. */
export type Answer = { value: unknown; words?: undefined } | { value?: undefined; words: string }

/** By name, because Node's types of fetch, with which the tests compile this file, have no cache. */
const UNCACHED = { cache: 'no-store' } as const

/** Never throws. The value of an answer without JSON is undefined. */
export async function ask(method: 'GET' | 'POST', address: string): Promise<Answer> {
  try {
    const response = await fetch(address, { method, headers: { Accept: 'application/json' }, ...UNCACHED })
    const body: unknown = isJson(response) ? await response.json().catch(() => undefined) : undefined
    return response.ok ? { value: body } : { words: wordsFor(response.status, detailOf(body), response.headers.get('Retry-After'), Date.now()) }
  } catch {
    return { words: UNREACHABLE }
  }
}

/** Whole, for a file. */
export async function askForFile(address: string): Promise<{ file: Blob; name: string } | { words: string }> {
  try {
    const response = await fetch(address, { method: 'POST', ...UNCACHED })
    if (response.ok) return { file: await response.blob(), name: fileName(response.headers.get('Content-Disposition')) }
    const body: unknown = isJson(response) ? await response.json().catch(() => undefined) : undefined
    return { words: wordsFor(response.status, detailOf(body), response.headers.get('Retry-After'), Date.now()) }
  } catch {
    return { words: UNREACHABLE }
  }
}

function isJson(response: Response): boolean {
  return (response.headers.get('Content-Type') ?? '').includes('json')
}

/** Of problem+json (RFC 9457). */
function detailOf(body: unknown): string {
  return isObject(body) && typeof body['detail'] === 'string' ? body['detail'] : ''
}

function fileName(disposition: string | null): string {
  return /filename="?([^";]+)/.exec(disposition ?? '')?.[1] ?? 'app.heapsnapshot'
}

/** Why a request failed, in a sentence or two. `now`: ms since 1970, for a Retry-After that is a date. */
export function wordsFor(status: number, detail: string, retryAfter: string | null, now: number): string {
  const why = detail === '' ? '' : ` ${detail.trim().replace(/([^.!?])$/, '$1.')}`
  if (status === 429) return `Not now:${why === '' ? ' the app does costly things one at a time, and not too often.' : why} Try again in ${seconds(retryAfter, now)}.`
  if (status === 503) return `The app cannot do this now.${why}${retryAfter === null ? '' : ` Try again in ${seconds(retryAfter, now)}.`}`
  if (status === 401 || status === 403) return `The app does not allow this.${why}`
  if (status === 404 || status === 405) return `The app does not offer this.${why}`
  return `The app could not do this (status ${String(status)}).${why}`
}

function seconds(retryAfter: string | null, now: number): string {
  const given = /^\d+$/.test(retryAfter ?? '') ? Number(retryAfter) : Math.ceil((Date.parse(retryAfter ?? '') - now) / 1000)
  if (Number.isNaN(given)) return 'a few seconds'
  const whole = Math.max(1, given)
  return `${String(whole)} second${whole === 1 ? '' : 's'}`
}

/** Where there was no answer. */
export const UNREACHABLE = 'The app did not answer: it may be standing still, or starting again.'
/** Where an answer is not what the page knows. */
export const UNREADABLE = 'The answer could not be read: the app may have changed since this page was opened. Load the page again.'
