/**
 * FastCGI records: the constants of the specification, an incremental reader, and writers.
 * Pure: bytes in, values out. Section numbers are those of the FastCGI Specification 1.0.
 */

/** The only protocol version there is (section 3.3). */
export const VERSION = 1
/** Bytes in a record header (section 3.3). */
export const HEADER_LENGTH = 8
/** The most content one record can carry (section 3.3). */
export const MAX_CONTENT_LENGTH = 65535
/** The most content of a record that needs no padding to end 8-byte aligned. */
export const MAX_ALIGNED_CONTENT_LENGTH = 65528
/** The request id of management records (section 3.3). */
export const MANAGEMENT_REQUEST_ID = 0
/** Bytes in the body of BEGIN_REQUEST, END_REQUEST and UNKNOWN_TYPE (sections 4.2, 5.1, 5.5). */
export const CONTROL_BODY_LENGTH = 8
/** The flag of BEGIN_REQUEST that leaves the connection open after the response (section 5.1). */
export const KEEP_CONN = 1

/** Record types (section 8). */
export const RecordType = {
  BEGIN_REQUEST: 1,
  ABORT_REQUEST: 2,
  END_REQUEST: 3,
  PARAMS: 4,
  STDIN: 5,
  STDOUT: 6,
  STDERR: 7,
  DATA: 8,
  GET_VALUES: 9,
  GET_VALUES_RESULT: 10,
  UNKNOWN_TYPE: 11,
} as const

/** Roles of an application (section 6). */
export const Role = {
  RESPONDER: 1,
  AUTHORIZER: 2,
  FILTER: 3,
} as const

/** How a request ended, from the protocol's point of view (section 5.5). */
export const ProtocolStatus = {
  REQUEST_COMPLETE: 0,
  CANT_MPX_CONN: 1,
  OVERLOADED: 2,
  UNKNOWN_ROLE: 3,
} as const

/** The body of a BEGIN_REQUEST record (section 5.1). */
export interface BeginRequest {
  role: number
  keepConnection: boolean
}

/** The body of an END_REQUEST record (section 5.5). */
export interface EndRequest {
  appStatus: number
  protocolStatus: number
}

/** Bytes of padding that let a record's content end 8-byte aligned (section 3.3). */
export function paddingFor(contentLength: number): number {
  return -contentLength & 7
}

/** Whether a record type is a stream, whose content may be handed on piece by piece (section 3.3). */
export function isStream(type: number): boolean {
  return type >= RecordType.PARAMS && type <= RecordType.DATA
}

/** What a {@link RecordReader} tells about the records it reads. */
export interface RecordConsumer {
  /**
   * Content of a record: `chunk` from `start` up to `end`. The bytes are only valid during the call.
   *
   * An application's record of a stream type may come in several pieces, all but the last with `more` set; any
   * other record comes whole. An empty record comes as one call with `start === end`.
   *
   * @returns false to stop reading for good (the rest of the input is then ignored).
   */
  onRecord(type: number, requestId: number, chunk: Uint8Array, start: number, end: number, more: boolean): boolean

  /** A record header of another version than 1. The reader has stopped for good. */
  onBadVersion(version: number): void
}

const EMPTY = new Uint8Array(0)

/**
 * Reads records from a byte stream that arrives cut at any place. Holds at most one record header
 * and one control record's content; the content of streams is passed through as it comes.
 */
export class RecordReader {
  readonly #consumer: RecordConsumer
  readonly #header = new Uint8Array(HEADER_LENGTH)
  #headerLength = 0
  #type = 0
  #requestId = 0
  #contentLeft = 0
  #paddingLeft = 0
  #held: Uint8Array = EMPTY
  #heldLength = 0
  #stopped = false
  #paused = false
  #position = 0

  constructor(consumer: RecordConsumer) {
    this.#consumer = consumer
  }

  /** Whether the input so far ends between two records. */
  get atBoundary(): boolean {
    return this.#headerLength === 0 && this.#contentLeft === 0 && this.#paddingLeft === 0
  }

  /** The offset in the chunk up to which it was read, also while a consumer is called: it may throw. */
  get position(): number {
    return this.#position
  }

  /** Reads no further than the record that is being delivered, until `resume()`; `position` tells how far that was. */
  pause(): void {
    this.#paused = true
  }

  /** Lets `read()` read again. What is left of the last chunk has to be given again. */
  resume(): void {
    this.#paused = false
  }

  /** Reads `chunk` from `start` up to `end`. */
  read(chunk: Uint8Array, start = 0, end = chunk.length): void {
    this.#position = start
    while (this.#position < end && !this.#stopped && !this.#paused) {
      if (this.#contentLeft > 0) this.#readContent(chunk, end)
      else if (this.#paddingLeft > 0) this.#skipPadding(end)
      else if (this.#headerLength === 0 && end - this.#position >= HEADER_LENGTH) this.#readWhole(chunk, end)
      else this.#readHeaderPart(chunk, end)
    }
  }

  /** The common case: a whole header is there, and often the whole record. */
  #readWhole(chunk: Uint8Array, end: number): void {
    if (!this.#startRecord(chunk, this.#position)) return
    const contentStart = this.#position + HEADER_LENGTH
    const contentEnd = contentStart + this.#contentLeft
    const next = contentEnd + this.#paddingLeft
    if (contentEnd > end) {
      this.#position = contentStart
      return
    }
    this.#contentLeft = 0
    if (next > end) this.#position = contentEnd
    else {
      this.#paddingLeft = 0
      this.#position = next
    }
    this.#deliver(chunk, contentStart, contentEnd, false)
  }

  #readHeaderPart(chunk: Uint8Array, end: number): void {
    const length = Math.min(HEADER_LENGTH - this.#headerLength, end - this.#position)
    this.#header.set(chunk.subarray(this.#position, this.#position + length), this.#headerLength)
    this.#headerLength += length
    this.#position += length
    if (this.#headerLength === HEADER_LENGTH) {
      this.#headerLength = 0
      if (this.#startRecord(this.#header, 0) && this.#contentLeft === 0) this.#deliver(EMPTY, 0, 0, false)
    } else if (this.#header[0] !== VERSION) {
      this.#stop(this.#header[0] ?? 0)
    }
  }

  #startRecord(bytes: Uint8Array, at: number): boolean {
    const version = bytes[at] as number
    if (version !== VERSION) {
      this.#stop(version)
      return false
    }
    this.#type = bytes[at + 1] as number
    this.#requestId = ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number)
    this.#contentLeft = ((bytes[at + 4] as number) << 8) | (bytes[at + 5] as number)
    this.#paddingLeft = bytes[at + 6] as number
    return true
  }

  #readContent(chunk: Uint8Array, end: number): void {
    const position = this.#position
    const length = Math.min(this.#contentLeft, end - position)
    const pieceEnd = position + length
    this.#position = pieceEnd
    if (this.#requestId !== MANAGEMENT_REQUEST_ID && isStream(this.#type)) {
      this.#contentLeft -= length
      this.#deliver(chunk, position, pieceEnd, this.#contentLeft > 0)
      return
    }
    if (this.#held === EMPTY) this.#held = new Uint8Array(this.#contentLeft)
    this.#held.set(chunk.subarray(position, pieceEnd), this.#heldLength)
    this.#heldLength += length
    this.#contentLeft -= length
    if (this.#contentLeft === 0) {
      const held = this.#held
      this.#held = EMPTY
      this.#heldLength = 0
      this.#deliver(held, 0, held.length, false)
    }
  }

  #skipPadding(end: number): void {
    const length = Math.min(this.#paddingLeft, end - this.#position)
    this.#paddingLeft -= length
    this.#position += length
  }

  #deliver(chunk: Uint8Array, start: number, end: number, more: boolean): void {
    if (!this.#consumer.onRecord(this.#type, this.#requestId, chunk, start, end, more)) this.#stopped = true
  }

  #stop(version: number): void {
    this.#stopped = true
    this.#consumer.onBadVersion(version)
  }
}

/** Writes a record header at `offset` of `target` and returns the offset after it (section 3.3). */
export function writeHeader(
  target: Uint8Array,
  offset: number,
  type: number,
  requestId: number,
  contentLength: number,
  paddingLength: number,
): number {
  target[offset] = VERSION
  target[offset + 1] = type
  target[offset + 2] = requestId >>> 8
  target[offset + 3] = requestId
  target[offset + 4] = contentLength >>> 8
  target[offset + 5] = contentLength
  target[offset + 6] = paddingLength
  target[offset + 7] = 0
  return offset + HEADER_LENGTH
}

/** Writes a whole END_REQUEST record at `offset` of `target` and returns the offset after it (section 5.5). */
export function writeEndRequest(
  target: Uint8Array,
  offset: number,
  requestId: number,
  appStatus: number,
  protocolStatus: number,
): number {
  const body = writeHeader(target, offset, RecordType.END_REQUEST, requestId, CONTROL_BODY_LENGTH, 0)
  target[body] = appStatus >>> 24
  target[body + 1] = appStatus >>> 16
  target[body + 2] = appStatus >>> 8
  target[body + 3] = appStatus
  target[body + 4] = protocolStatus
  target[body + 5] = 0
  target[body + 6] = 0
  target[body + 7] = 0
  return body + CONTROL_BODY_LENGTH
}

/** One whole record, padded to 8-byte alignment. `content` is at most 65535 bytes. */
export function encodeRecord(type: number, requestId: number, content: Uint8Array = EMPTY): Buffer {
  if (content.length > MAX_CONTENT_LENGTH) {
    // eslint-disable-next-line no-restricted-syntax -- a mistake of this package alone: callers cut content before
    throw new RangeError(`a FastCGI record carries at most ${String(MAX_CONTENT_LENGTH)} bytes, not ${String(content.length)}`)
  }
  const paddingLength = paddingFor(content.length)
  const record = Buffer.alloc(HEADER_LENGTH + content.length + paddingLength)
  record.set(content, writeHeader(record, 0, type, requestId, content.length, paddingLength))
  return record
}

/** `content` as records of one stream, without the empty record that ends it. */
export function encodeStream(type: number, requestId: number, content: Uint8Array): Buffer {
  const records: Buffer[] = []
  for (let start = 0; start < content.length; start += MAX_ALIGNED_CONTENT_LENGTH) {
    records.push(encodeRecord(type, requestId, content.subarray(start, start + MAX_ALIGNED_CONTENT_LENGTH)))
  }
  return Buffer.concat(records)
}

/** A BEGIN_REQUEST record (section 5.1). */
export function encodeBeginRequest(requestId: number, { role, keepConnection }: BeginRequest): Buffer {
  const body = Uint8Array.of(role >>> 8, role, keepConnection ? KEEP_CONN : 0, 0, 0, 0, 0, 0)
  return encodeRecord(RecordType.BEGIN_REQUEST, requestId, body)
}

/** An END_REQUEST record (section 5.5). */
export function encodeEndRequest(requestId: number, { appStatus, protocolStatus }: EndRequest): Buffer {
  const record = Buffer.alloc(HEADER_LENGTH + CONTROL_BODY_LENGTH)
  writeEndRequest(record, 0, requestId, appStatus, protocolStatus)
  return record
}

/** The answer to a management record of a type that is not known here (section 4.2). */
export function encodeUnknownType(type: number): Buffer {
  return encodeRecord(RecordType.UNKNOWN_TYPE, MANAGEMENT_REQUEST_ID, Uint8Array.of(type, 0, 0, 0, 0, 0, 0, 0))
}

/**
 * Reads the body of BEGIN_REQUEST: reserved bytes and other flags are ignored (section 5.1).
 *
 * @returns undefined where the body is too short.
 */
export function decodeBeginRequest(content: Uint8Array, start = 0, end = content.length): BeginRequest | undefined {
  if (end - start < CONTROL_BODY_LENGTH) return undefined
  return {
    role: ((content[start] as number) << 8) | (content[start + 1] as number),
    keepConnection: ((content[start + 2] as number) & KEEP_CONN) !== 0,
  }
}

/** Reads the body of END_REQUEST (section 5.5); undefined where it is too short. */
export function decodeEndRequest(content: Uint8Array, start = 0, end = content.length): EndRequest | undefined {
  if (end - start < CONTROL_BODY_LENGTH) return undefined
  const view = new DataView(content.buffer, content.byteOffset + start, CONTROL_BODY_LENGTH)
  return { appStatus: view.getUint32(0), protocolStatus: view.getUint8(4) }
}
