/**
 * What looks at memory over time: the leak verdict, behind the two inputs that the endpoint has, major collections and
 * samples, and the settle check, one at a time. Has no timers of its own.
 */
import { inspect } from 'node:util'
import { tell } from '../shared/listeners.js'
import { SamplingError } from './profile/heap-sampler.js'
import { settle, type SettleOptions, type SettleReport } from './settle.js'
import { LeakVerdict, type CallSiteSource, type CollectionInput, type SampleInput, type Verdict } from './verdict.js'

export interface MemoryWatchOptions {
  /** Called when the verdict's state changes. What it throws becomes a process warning. */
  onVerdict?: ((verdict: Verdict, before: Verdict) => void) | undefined
  /** Call sites that grew, for the verdict's evidence. */
  callSites?: CallSiteSource | undefined
  /** Called with the report of every settle check. What it throws becomes a process warning. */
  onSettle?: ((report: SettleReport) => void) | undefined
  /** Forces a full collection and waits; see `SettleOptions`. */
  collect?: SettleOptions['collect'] | undefined
  settleWait?: number | undefined
}

export class MemoryWatch {
  readonly verdict: LeakVerdict
  /** Of the last settle check. */
  lastSettle: SettleReport | undefined
  readonly #options: MemoryWatchOptions
  #running: Promise<SettleReport> | undefined

  constructor(options: MemoryWatchOptions) {
    this.#options = options
    const { callSites, onVerdict } = options
    this.verdict = new LeakVerdict(callSites === undefined ? {} : { callSites })
    if (onVerdict !== undefined) this.verdict.on('change', (verdict, before) => { tellApp(() => { onVerdict(verdict, before) }) })
  }

  /** After each major collection. */
  collection(input: CollectionInput): void {
    this.verdict.collection(input)
  }

  /** Once a second or so. */
  sample(input: SampleInput): void {
    this.verdict.sample(input)
  }

  /** Forces a collection. A second call while one runs gets the same report. */
  settle(trigger: SettleReport['trigger']): Promise<SettleReport> {
    this.#running ??= this.#settle(trigger).finally(() => { this.#running = undefined })
    return this.#running
  }

  async #settle(trigger: SettleReport['trigger']): Promise<SettleReport> {
    const { collect, settleWait, onSettle } = this.#options
    const report = await settle({ trigger, ...(collect === undefined ? {} : { collect }), ...(settleWait === undefined ? {} : { wait: settleWait }) })
    this.lastSettle = report
    if (onSettle !== undefined) tellApp(() => { onSettle(report) })
    return report
  }
}

/** An app's callback must not stop the sampler. */
export function tellApp(call: () => void): void {
  tell('memoryStats', 'ERR_MEMORY_STATS_LISTENER', call)
}

/** With a stack, unless it is known what it means. */
export function warn(error: unknown, remedy?: string): void {
  // As text: emitWarning() throws when given an error of another realm.
  const text = error instanceof SamplingError ? error.message : inspect(error)
  process.emitWarning(`memoryStats: ${text}${remedy === undefined ? '' : `. ${remedy}`}`, { type: 'MemoryStatsWarning' })
}
