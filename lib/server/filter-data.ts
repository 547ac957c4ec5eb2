/** The file that a Filter is to filter: FCGI_DATA, the second stream of its input (FastCGI specification, section 6.4). */
import { Readable } from 'node:stream'
import type { RequestParams } from '../fastcgi/params.js'

const UNKNOWN_LENGTH = -1

/** FCGI_DATA of one request, and how much of it has come. */
export class FilterData {
  /** What the app reads. */
  readonly stream: Readable
  /** Bytes that were announced, or -1 where this is not known. */
  readonly announced: number
  /** Bytes so far. */
  received = 0
  #ended = false

  /**
   * @param params tell the length
   * @param resume called whenever the stream is read
   */
  constructor(params: RequestParams, resume: () => void) {
    this.stream = new Readable({ read: resume })
    const length = params.get('FCGI_DATA_LENGTH')
    this.announced = length !== undefined && /^[0-9]+$/.test(length) ? Number(length) : UNKNOWN_LENGTH
  }

  /** Whether all of it has come. */
  get ended(): boolean {
    return this.#ended
  }

  /** Gives the app a piece, or the end; false where it has enough for now. */
  push(chunk: Buffer | null): boolean {
    this.#ended ||= chunk === null
    if (this.stream.destroyed) return true
    return this.stream.push(chunk)
  }

  /** Closes the stream. The error is emitted only if 'error' has a listener: an app need not know of this stream. */
  destroy(error: Error | undefined): void {
    if (this.stream.listenerCount('error') === 0) this.stream.destroy()
    else this.stream.destroy(error)
  }
}
