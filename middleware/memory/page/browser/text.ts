/** What the page says, and values as people read them. Times are local; names of days are English, as the page is. Pure. */
import { costsOf, spanText } from '../../costs.js'
import { duration, formatBytes } from '../../units.js'
import type { CallSite, Evidence, GrownCallSite, Verdict, VerdictState } from './api.js'

/** The verdict's sentence stands below: a title does not say the same. */
const TITLES: Readonly<Record<VerdictState, string>> = {
  warming: 'Warming up',
  ok: 'No leak in sight',
  growing: 'Memory is growing',
  'leak-suspected': 'Leak suspected',
  'native-growth': 'Growth outside the heap',
}

/** A newer server's states are shown as they are. */
export function verdictTitle(state: string): string {
  return Object.hasOwn(TITLES, state) ? TITLES[state as VerdictState] : state
}

const QUANTITIES: Readonly<Record<Evidence['quantity'], string>> = {
  heap: 'live heap', external: 'external memory', remainder: 'native memory',
}

/** One figure of the evidence. */
export interface Fact {
  name: string
  value: string
  note: string
}

/** The evidence of a verdict, as facts in words. */
export function factsOf({ state, since, evidence }: Verdict, now: number): Fact[] {
  const quantity = Object.hasOwn(QUANTITIES, evidence.quantity) ? QUANTITIES[evidence.quantity] : evidence.quantity
  const periods = `${count(evidence.points, 'period')}, ${String(evidence.pointsNeeded)} needed`
  // Not all that there were: the verdict passes over the first minutes, and is as old as the last period that is over.
  const basis = { name: 'Collections judged', value: evidence.collections.toLocaleString('en'), note: `${periods}${evidence.likeLoad ? '; at like load' : ''}` }
  const begun = { name: 'Since', value: since > 0 ? moment(since, now) : 'the start', note: since > 0 ? ago(now - since) : '' }
  if (state === 'warming') return [{ ...basis, note: `${periods}; those of the first minutes do not count` }, begun]
  return [
    { name: 'Slope', ...slopeOf(evidence, quantity) },
    { name: 'Time to the limit', ...limitOf(evidence) },
    { name: 'Growth', value: growth(evidence.growth), note: evidence.span > 0 ? `in ${duration(evidence.span)}; noise ±${formatBytes(evidence.noise)}` : 'nothing measured yet' },
    { name: 'Level', value: formatBytes(evidence.level), note: `median of the ${quantity}` },
    basis,
    begun,
  ]
}

/** An hour or, where that says too little, a day. */
function slopeOf({ bytesPerSecond }: Evidence, quantity: string): Pick<Fact, 'value' | 'note'> {
  const hourly = bytesPerSecond * 3600
  const daily = Math.abs(hourly) < 100_000
  return { value: growth(daily ? hourly * 24 : hourly), note: `${daily ? 'a day' : 'an hour'}, of the ${quantity}` }
}

function limitOf({ timeToLimit, limit }: Evidence): Pick<Fact, 'value' | 'note'> {
  if (timeToLimit === null || limit === null) return { value: 'none in sight', note: 'at this slope' }
  return { value: duration(timeToLimit), note: limit === 'heap' ? 'until V8’s heap limit' : 'until the cgroup’s limit' }
}

function ago(ms: number): string {
  return ms < 1000 ? 'just now' : `${span(ms / 1000)} ago`
}

/** A number with its noun: `1 site`, `2 sites`. */
export function count(number: number, noun: string): string {
  return `${number.toLocaleString('en')} ${noun}${number === 1 ? '' : 's'}`
}

const SPACES: Readonly<Record<string, string>> = {
  read_only_space: 'Constants that every context shares',
  new_space: 'Young objects, collected often',
  old_space: 'Objects that survived two minor collections',
  code_space: 'Compiled machine code',
  shared_space: 'Objects that threads share',
  trusted_space: 'Bytecode and tables that V8 trusts',
  shared_trusted_space: 'The same, shared by threads',
  new_large_object_space: 'Young objects too large for a page',
  large_object_space: 'Objects too large for a page',
  code_large_object_space: 'Large pieces of machine code',
  shared_large_object_space: 'Large objects that threads share',
  trusted_large_object_space: 'Large tables that V8 trusts',
  shared_trusted_large_object_space: 'The same, shared by threads',
  map_space: 'Shapes of objects',
}

/** What V8 keeps in a space; nothing of one that is not known. */
export function spaceMeaning(name: string): string {
  return Object.hasOwn(SPACES, name) ? SPACES[name] ?? '' : ''
}

const PARTS: Readonly<Record<string, string>> = {
  liveHeap: 'Live heap', external: 'External', freePages: 'Free pages of V8', allocator: 'Allocator and native code', mapped: 'Mapped files',
}

/** What a part of the resident memory is called. */
export function partName(part: string): string {
  return Object.hasOwn(PARTS, part) ? PARTS[part] ?? part : part
}

/** What a call site is called. */
export function siteName({ name }: Pick<GrownCallSite, 'name'>): string {
  return name === '' ? '(anonymous)' : name
}

/** File and line, without the scheme. */
export function siteAddress({ url, line }: Pick<GrownCallSite, 'url' | 'line'>): string {
  const file = url.replace(/^file:\/\//, '')
  if (file === '') return 'native code or V8 itself'
  return line > 0 ? `${file}:${String(line)}` : file
}

/** Most grown first where there is a mark, else largest first. */
export function ordered(sites: readonly CallSite[], marked: boolean): CallSite[] {
  return [...sites].sort((one, other) => (marked ? (other.growth ?? 0) - (one.growth ?? 0) : 0) || other.octets - one.octets)
}

/** What is said above the list of call sites. */
export function sitesSentence(sites: number, shown: number, mark: number | null, now: number): string {
  if (sites === 0) return 'The profile is empty: nothing that is alive has been sampled.'
  const which = shown < sites ? `The first ${String(shown)} of ${count(sites, 'call site')}` : count(sites, 'call site')
  return mark === null ? `${which}, largest first. No mark is set.` : `${which}, most grown first since the mark of ${moment(mark, now)}.`
}

/** Growth that may be chance of sampling says nothing; what is sure has how far it may be off. */
export function growthNote({ growth: grown, margin }: CallSite): { note: string; chance: boolean } {
  if (grown === null || margin === undefined) return { note: '', chance: false }
  if (grown === 0 && margin === 0) return { note: '', chance: true }
  const chance = Math.abs(grown) <= margin
  return { note: chance ? 'may be chance' : `±${formatBytes(margin)}`, chance }
}

/** How old a profile is that was taken for somebody else. */
export function ageText(age: number | undefined): string {
  return age === undefined ? '' : ` Taken ${span(age)} ago: so soon after it no new profile is made.`
}

/** An estimate, in words. */
export function costText(kind: string, heapUsed: number): string {
  const costs = costsOf(heapUsed)
  if (kind === 'collection') return spanText(costs.collection)
  if (kind === 'profile') return spanText(costs.profile)
  return kind === 'snapshot' ? `${spanText(costs.snapshot)}, and needs some ${formatBytes(costs.snapshotMemory)} of memory` : ''
}

/** For a shell: in quotes where the address needs them. */
export function pprofCommand(address: string): string {
  return `go tool pprof ${/^[\w.:/@%+=,-]+$/.test(address) ? address : `'${address.replaceAll('\'', '%27')}'`}`
}

/** What a screen reader says of a moment in the chart. */
export function readoutText(when: string, figures: readonly (readonly [string, number | null])[], load: string): string {
  return `${when}: ${figures.map(([name, value]) => `${name} ${memory(value)}`).join(', ')}, ${load} requests a second`
}

/** For what is not known. */
export const UNKNOWN = '–'

/** Bytes as text. */
export function memory(value: number | null): string {
  return value === null ? UNKNOWN : formatBytes(value)
}

/** With its sign. */
export function growth(value: number | null): string {
  if (value === null) return UNKNOWN
  return value > 0 ? `+${formatBytes(value)}` : formatBytes(value).replace('-', '−')
}

/** A rate as text. */
export function perSecond(value: number | null): string {
  if (value === null) return UNKNOWN
  return value.toLocaleString('en', { maximumFractionDigits: value < 10 ? 1 : 0 })
}

/** A time in ms as text. */
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

/** The time of day. */
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
