/**
 * Ending a kept connection without losing a request: the web server is asked to close it itself.
 *
 * Closing a kept connection from this side loses a request that the web server is sending at that moment, and FastCGI has
 * no message that asks for a close. An empty STDERR record of a request that has ended has that effect. nginx keeps a
 * connection only if END_REQUEST is the last record that it has read, and closes an idle connection that becomes readable.
 * HAProxy closes a connection that brings a record of no open request. If a request is already on its way, the web server
 * ignores the record, and the request is answered as usual.
 */

/** How long after a response the web server is asked again, in milliseconds: HAProxy reacts only on an idle connection. */
const ASK_AGAIN_MS = 2
/**
 * When a connection is closed from this side, because its web server does not close when asked: after this many
 * milliseconds without a request, and after this many times the longest idle time that it has had. Apache is such a
 * server. It uses its most recent connections first, so one that is idle for unusually long is rarely used again.
 */
const UNASKED_IDLE_MS = 200
const UNASKED_FACTOR = 4
/** Under load no connection may be idle for so long. After this share of `linger`, the required idle time shrinks. */
const FULL_IDLE_SHARE = 0.6
/** The required idle time never shrinks below this, in milliseconds. */
const MIN_UNASKED_IDLE_MS = 20

/** The connection that is released. */
export interface ReleasableConnection {
  /** Whether no request is open. */
  readonly done: boolean
  /** Sends the record, if no request is open or partly read. */
  askToClose: () => void
  close: () => void
}

/** Web servers with which this was tested. Others may do anything with the record; gateway() treats it as an error. */
const RELEASING_SERVERS = /^(?:nginx|openresty|tengine|angie|freenginx|haproxy|h2o|lighttpd|caddy)\b/i

/** Whether a web server closes a kept connection when it is asked to. `software`: what it calls itself. */
export function closesWhenAsked(software: string | undefined): boolean {
  return RELEASING_SERVERS.test(software ?? '')
}

/** The release of one connection. */
export class KeepAliveRelease {
  readonly #connection: ReleasableConnection
  readonly #asks: boolean
  readonly #linger: number
  readonly #begin = performance.now()
  #idleSince = this.#begin
  /** The longest time between two answers. */
  #longestIdle = 0
  #timer: NodeJS.Timeout | undefined

  /**
   * @param asks whether the web server is asked: {@link closesWhenAsked}
   * @param linger how long an idle connection may stay until the server closes it after all, in milliseconds
   */
  constructor(connection: ReleasableConnection, asks: boolean, linger: number) {
    this.#connection = connection
    this.#asks = asks
    this.#linger = linger
  }

  /** The release begins, or continues, on an idle connection. */
  onIdle(): void {
    if (this.#asks) this.#connection.askToClose()
    this.#closeLater()
  }

  /** The last open request is answered; the record was sent with the response. */
  onAnswered(): void {
    const now = performance.now()
    this.#longestIdle = Math.max(this.#longestIdle, now - this.#idleSince)
    this.#idleSince = now
    if (!this.#asks) {
      this.#closeLater()
      return
    }
    this.#wait(ASK_AGAIN_MS, () => {
      this.onIdle()
    })
  }

  /** The connection is gone. */
  end(): void {
    clearTimeout(this.#timer)
  }

  #closeLater(): void {
    this.#wait(this.#asks ? this.#linger : this.#unaskedIdle(), () => {
      // If the event loop was blocked, a request may have arrived that has not been read: two turns of the loop read it.
      const timer = this.#timer
      setImmediate(() => {
        setImmediate(() => {
          if (this.#timer === timer && this.#connection.done) this.#connection.close()
        })
      })
    })
  }

  /** How long this connection has to be idle until it is closed without asking, in milliseconds. */
  #unaskedIdle(): number {
    const past = (performance.now() - this.#begin) / this.#linger
    const unusual = Math.min(Math.max(UNASKED_IDLE_MS, this.#longestIdle * UNASKED_FACTOR), this.#linger / UNASKED_FACTOR)
    const share = past < FULL_IDLE_SHARE ? 1 : Math.max(0, 1 - past) / (1 - FULL_IDLE_SHARE)
    return Math.min(this.#linger, Math.max(MIN_UNASKED_IDLE_MS, unusual * share))
  }

  /** Runs `then` after a time, unless a request is open by then. There is one timer: waiting again replaces it. */
  #wait(milliseconds: number, then: () => void): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      if (this.#connection.done) then()
    }, milliseconds).unref()
  }
}
