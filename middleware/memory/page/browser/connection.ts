/** The stream of server-sent events: opened, opened again, and what its state is. */

/** `quiet`: connected, but no sample has come for some seconds. */
export type ConnectionState = 'connecting' | 'live' | 'quiet' | 'reconnecting'

export interface ConnectionOptions {
  address: () => string
  events: readonly string[]
  onState: (state: ConnectionState) => void
  /** The data, parsed. */
  onMessage: (event: string, message: unknown) => void
  /** The stream was broken and is open again: what came meanwhile is missing. */
  onReturn: () => void
}

/** ms after which a stream that the server refused is asked for again; browsers themselves do it only where the network failed. */
const REFUSED = 5000
const QUIET = 5000

export class Connection {
  readonly #options: ConnectionOptions
  #source: EventSource | undefined
  #retry: ReturnType<typeof setTimeout> | undefined
  #quiet: ReturnType<typeof setTimeout> | undefined
  #broken = false

  constructor(options: ConnectionOptions) {
    this.#options = options
  }

  open(): void {
    this.close()
    const source = new EventSource(this.#options.address())
    this.#source = source
    source.addEventListener('open', () => { this.#opened() })
    source.addEventListener('error', () => { this.#failed(source) })
    for (const name of this.#options.events) {
      source.addEventListener(name, ({ data }: MessageEvent<string>) => { this.#received(name, data) })
    }
  }

  close(): void {
    clearTimeout(this.#retry)
    clearTimeout(this.#quiet)
    this.#source?.close()
    this.#source = undefined
  }

  #opened(): void {
    this.#listen()
    if (this.#broken) this.#options.onReturn()
    this.#broken = false
  }

  #failed(source: EventSource): void {
    clearTimeout(this.#quiet)
    this.#broken = true
    this.#options.onState('reconnecting')
    if (source.readyState !== EventSource.CLOSED) return
    clearTimeout(this.#retry)
    this.#retry = setTimeout(() => { this.open() }, REFUSED)
  }

  #received(event: string, data: string): void {
    this.#listen()
    let message: unknown
    try {
      message = JSON.parse(data)
    } catch {
      return
    }
    this.#options.onMessage(event, message)
  }

  #listen(): void {
    this.#options.onState('live')
    clearTimeout(this.#quiet)
    this.#quiet = setTimeout(() => { this.#options.onState('quiet') }, QUIET)
  }
}
