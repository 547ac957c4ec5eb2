/**
 * Ending a kept connection without losing a request: the web server is asked to close it itself.
 *
 * FastCGI has no message for that, and closing a kept connection costs the request that the web server is just sending
 * on it. An empty STDERR record of a request that is over says the same to those that keep connections. nginx keeps
 * one only where END_REQUEST is the last that it has read, and closes an idle one that becomes readable; HAProxy closes
 * one on which something comes that belongs to no request. Where a request is on its way already the record is ignored,
 * and the request is answered like any other.
 */

/** How long after an answer the web server is asked once more, in milliseconds: HAProxy listens when it is idle. */
const ASK_AGAIN_TIMES = 2
/**
 * How long a connection has to be idle until it is closed where asking does not help, in milliseconds, and how many
 * times longer than it was idle before. Apache keeps its connections whatever it is told, but uses the latest ones
 * first: one that is idle for unusually long is hardly ever taken up again at this very moment.
 */
const UNASKED_IDLE_MS = 200
const UNASKED_FACTOR = 4
/** Under load none may be idle for so long: after this share of the time less and less is asked for. */
const HURRY_SHARE = 0.6
const MIN_UNASKED_IDLE_MS = 20

/** The connection that is released. */
export interface ReleasableConnection {
  /** Without an open request. */
  readonly done: boolean
  /** Sends the record, where no request is open or on its way. */
  askToClose: () => void
  close: () => void
}

/** Those with which it was tried; what others make of such a record is not known, and the gateway takes it for a mistake. */
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

  /** The connection is idle as this begins. */
  onIdle(): void {
    if (this.#asks) this.#connection.askToClose()
    this.#closeLater()
  }

  /** The last open request is answered; the record went with the answer. */
  onAnswered(): void {
    const now = performance.now()
    this.#longestIdle = Math.max(this.#longestIdle, now - this.#idleSince)
    this.#idleSince = now
    if (!this.#asks) {
      this.#closeLater()
      return
    }
    this.#wait(ASK_AGAIN_TIMES, () => {
      this.onIdle()
    })
  }

  /** The connection is gone. */
  end(): void {
    clearTimeout(this.#timer)
  }

  #closeLater(): void {
    this.#wait(this.#asks ? this.#linger : this.#unaskedIdle(), () => {
      // Where the event loop was held up, a request may have come that has not been read.
      const timer = this.#timer
      setImmediate(() => {
        setImmediate(() => {
          if (this.#timer === timer && this.#connection.done) this.#connection.close()
        })
      })
    })
  }

  #unaskedIdle(): number {
    const past = (performance.now() - this.#begin) / this.#linger
    const unusual = Math.min(Math.max(UNASKED_IDLE_MS, this.#longestIdle * UNASKED_FACTOR), this.#linger / UNASKED_FACTOR)
    const patience = past < HURRY_SHARE ? 1 : Math.max(0, 1 - past) / (1 - HURRY_SHARE)
    return Math.min(this.#linger, Math.max(MIN_UNASKED_IDLE_MS, unusual * patience))
  }

  /** One time at once: each answer begins it anew, and while a request is open nothing is due. */
  #wait(milliseconds: number, then: () => void): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      if (this.#connection.done) then()
    }, milliseconds).unref()
  }
}
