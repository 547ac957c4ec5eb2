/** A request's PARAMS while they come in: copied only if they outlive the chunk that they came in. */
import type { ErrorResponse } from './error-responses.js'

const NO_PIECES: Buffer[] = []
const NO_BYTES: Buffer = Buffer.alloc(0)
/** At this many pieces they are joined into one: each Buffer has a cost of its own. */
const MAX_PIECES = 64

/** The PARAMS of one request, until the empty record that ends them (FastCGI specification, section 5.2). */
export class ParamsBuffer {
  /** Bytes so far, also of content that was dropped. */
  length = 0
  /** The answer that the request gets when its PARAMS are complete, instead of the app. */
  refusal: ErrorResponse | undefined
  /** The tick at which the request began. */
  since = 0
  #pieces = NO_PIECES
  /** What was borrowed, or joined. */
  #bytes = NO_BYTES
  #start = 0
  #end = 0

  /** Begins with the next request, whatever there was before. */
  begin(since: number, refusal: ErrorResponse | undefined): void {
    this.length = 0
    this.refusal = refusal
    this.since = since
    this.#pieces = NO_PIECES
    this.#bytes = NO_BYTES
  }

  /** The whole content, after `join()`: from `start` up to `end`. */
  get bytes(): Buffer {
    return this.#bytes
  }

  get start(): number {
    return this.#start
  }

  get end(): number {
    return this.#end
  }

  /** Whether no content is held. */
  get isEmpty(): boolean {
    return this.#pieces === NO_PIECES && this.#bytes === NO_BYTES
  }

  /** Takes content for as long as the chunk is being read. */
  borrow(chunk: Buffer, start: number, end: number): void {
    this.#bytes = chunk
    this.#start = start
    this.#end = end
  }

  /** Copies what was borrowed. */
  keep(): void {
    if (this.#bytes === NO_BYTES) return
    this.#pieces = [Buffer.from(this.#bytes.subarray(this.#start, this.#end))]
    this.#bytes = NO_BYTES
  }

  /** Adds content that the caller must not change after this. */
  add(piece: Buffer): void {
    if (this.#pieces === NO_PIECES) this.#pieces = [piece]
    else if (this.#pieces.length < MAX_PIECES) this.#pieces.push(piece)
    else this.#pieces = [Buffer.concat([...this.#pieces, piece])]
  }

  /** Drops the content, and refuses the request. */
  refuse(refusal: ErrorResponse): void {
    this.refusal = refusal
    this.#pieces = NO_PIECES
    this.#bytes = NO_BYTES
  }

  /** Makes one of all pieces. */
  join(): void {
    if (this.#pieces === NO_PIECES) return
    this.#bytes = Buffer.concat(this.#pieces)
    this.#start = 0
    this.#end = this.#bytes.length
  }
}
