/**
 * What express-rate-limit has said of clients before: their key and the texts of their headers. They are kept for the clients of late,
 * a bounded number: a text costs more than a client's count.
 */

/** Clients in one generation. There are two, so between so many and twice as many are known. */
const MOST_IN_GENERATION = 4096

/** One client. */
export interface KnownClient {
  readonly key: string
  /** How its RateLimit header begins, up to the number of requests that remain; '' where no such headers are set. */
  readonly beginning: string
  /** Its RateLimit-Policy header; '' where there is none. */
  readonly policy: string
  /** When its present window ends. */
  resetTime: Date
}

/** The clients of late, by what tells them apart: most often the address. */
export class KnownClients {
  #current = new Map<string, KnownClient>()
  #previous = new Map<string, KnownClient>()

  get(subject: string): KnownClient | undefined {
    const client = this.#current.get(subject)
    if (client !== undefined) return client
    const before = this.#previous.get(subject)
    if (before !== undefined) this.add(subject, before)
    return before
  }

  add(subject: string, client: KnownClient): void {
    if (this.#current.size >= MOST_IN_GENERATION) {
      this.#previous = this.#current
      this.#current = new Map()
    }
    this.#current.set(subject, client)
  }
}
