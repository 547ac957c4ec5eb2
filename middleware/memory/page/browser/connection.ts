/**
 * How the page gets what is new: the stream of server-sent events, opened and opened again, and, where it brings nothing, by asking.
 * Some proxies hold a stream back until a buffer is full or the answer is over; others refuse it.
 */

/** `quiet`: connected, but no sample has come for some seconds. `asking`: answers bring samples that the stream does not. */
export type ConnectionState = 'connecting' | 'live' | 'quiet' | 'reconnecting' | 'asking'

/** Where the stream is, and whom to tell. */
export interface ConnectionOptions {
  address: () => string
  events: readonly string[]
  onState: (state: ConnectionState) => void
  /** The data, parsed. */
  onMessage: (event: string, message: unknown) => void
  /** The stream was broken and is open again: what came meanwhile is missing. */
  onReturn: () => void
  /** Asks for what is new and shows it. Whether there was a sample; undefined where there was no answer. */
  ask: () => Promise<boolean | undefined>
}

/** ms after which a stream that the server refused is asked for again; browsers themselves do it only where the network failed. */
const REFUSED = 5000
const QUIET = 5000
/** ms between two questions. */
const BETWEEN = 2000
/** Events that come within so many ms were held back together. */
const TOGETHER = 500
/** So many that come apart, and the stream flows. */
const FLOWING = 3
/** What is outdated where it was held back. */
const STATES: ReadonlySet<string> = new Set(['verdict', 'settle'])

/** The connection to the endpoint, which is kept up. */
export class Connection {
  readonly #options: ConnectionOptions
  #source: EventSource | undefined
  #retry: ReturnType<typeof setTimeout> | undefined
  #quiet: ReturnType<typeof setTimeout> | undefined
  #next: ReturnType<typeof setTimeout> | undefined
  #broken = false
  #asking = false
  /** Changes with every start and stop of asking: an answer that comes late is nobody's. */
  #round = 0
  #heard = { time: -Infinity, apart: 0 }

  constructor(options: ConnectionOptions) {
    this.#options = options
  }

  open(): void {
    this.#end()
    const source = new EventSource(this.#options.address())
    this.#source = source
    source.addEventListener('open', () => { this.#opened() })
    source.addEventListener('error', () => { this.#failed(source) })
    for (const name of this.#options.events) {
      source.addEventListener(name, ({ data }: MessageEvent<string>) => { this.#received(name, data) })
    }
    this.#awaitSomething()
  }

  close(): void {
    this.#end()
    this.#stopAsking()
  }

  #end(): void {
    clearTimeout(this.#retry)
    clearTimeout(this.#quiet)
    this.#source?.close()
    this.#source = undefined
  }

  #opened(): void {
    if (this.#asking) return
    this.#live()
    if (this.#broken) this.#options.onReturn()
    this.#broken = false
  }

  #failed(source: EventSource): void {
    this.#broken = true
    if (!this.#asking) this.#options.onState('reconnecting')
    this.#awaitSomething('reconnecting')
    if (source.readyState !== EventSource.CLOSED) return
    clearTimeout(this.#retry)
    this.#retry = setTimeout(() => { this.open() }, REFUSED)
  }

  #received(event: string, data: string): void {
    if (this.#asking && !this.#flows()) {
      // What the answers have brought is newer.
      if (STATES.has(event)) return
    } else this.#live()
    let message: unknown
    try {
      message = JSON.parse(data)
    } catch {
      return
    }
    this.#options.onMessage(event, message)
  }

  #flows(): boolean {
    const now = performance.now()
    const passed = now - this.#heard.time
    this.#heard = { time: now, apart: passed > QUIET ? 1 : passed > TOGETHER ? this.#heard.apart + 1 : this.#heard.apart }
    return this.#heard.apart >= FLOWING
  }

  #live(): void {
    this.#stopAsking()
    this.#options.onState('live')
    this.#awaitSomething('quiet')
  }

  /** For some seconds; then the page asks for itself. */
  #awaitSomething(state?: ConnectionState): void {
    clearTimeout(this.#quiet)
    this.#quiet = setTimeout(() => {
      if (this.#asking) return
      if (state !== undefined) this.#options.onState(state)
      this.#stopAsking()
      void this.#ask(this.#round)
    }, QUIET)
  }

  async #ask(round: number): Promise<void> {
    const news = await this.#options.ask()
    if (round !== this.#round) return
    if (news === true) {
      this.#asking = true
      this.#options.onState('asking')
    } else if (news === undefined && this.#asking) {
      this.#asking = false
      this.#options.onState('reconnecting')
    }
    this.#next = setTimeout(() => { void this.#ask(round) }, BETWEEN)
  }

  #stopAsking(): void {
    clearTimeout(this.#next)
    this.#round++
    this.#asking = false
    this.#heard = { time: -Infinity, apart: 0 }
  }
}
