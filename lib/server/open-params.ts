/** A request's PARAMS while they come in: copied only if they outlive the chunk that they came in. */
import type { Refusal } from './refusals.js'

const NO_PIECES: Buffer[] = []
/** Many small pieces are joined now and then: each has a cost of its own. */
const MAX_PIECES = 64

export class OpenParams {
  /** Octets so far, also of content that was dropped. */
  length = 0
  /** The answer that the request gets when its PARAMS are complete, instead of the app. */
  refusal: Refusal | undefined
  #pieces = NO_PIECES
  #borrowed: Buffer | undefined
  #start = 0
  #end = 0

  /** The tick at which the request began. */
  readonly since: number

  constructor(since: number, refusal: Refusal | undefined) {
    this.since = since
    this.refusal = refusal
  }

  /** Whether no content is held. */
  get isEmpty(): boolean {
    return this.#pieces === NO_PIECES && this.#borrowed === undefined
  }

  /** Takes content for as long as the chunk is being read. */
  borrow(chunk: Buffer, start: number, end: number): void {
    this.#borrowed = chunk
    this.#start = start
    this.#end = end
  }

  /** Copies what was borrowed. */
  keep(): void {
    if (this.#borrowed === undefined) return
    this.#pieces = [Buffer.from(this.#borrowed.subarray(this.#start, this.#end))]
    this.#borrowed = undefined
  }

  /** Adds content that is the caller's own no more. */
  add(piece: Buffer): void {
    if (this.#pieces === NO_PIECES) this.#pieces = [piece]
    else if (this.#pieces.length < MAX_PIECES) this.#pieces.push(piece)
    else this.#pieces = [Buffer.concat([...this.#pieces, piece])]
  }

  /** Drops the content, and refuses the request. */
  refuse(refusal: Refusal): void {
    this.refusal = refusal
    this.#pieces = NO_PIECES
    this.#borrowed = undefined
  }

  /** Gives the whole content: `bytes` from `start` up to `end`. */
  read(reader: (bytes: Buffer, start: number, end: number) => void): void {
    if (this.#borrowed !== undefined) reader(this.#borrowed, this.#start, this.#end)
    else {
      const bytes = Buffer.concat(this.#pieces)
      reader(bytes, 0, bytes.length)
    }
  }
}
