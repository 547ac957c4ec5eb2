/**
 * Buffers the records that go out on one connection, in buffers from a pool, until `flush()` writes them in one write.
 * Where head and body of a response fit into one STDOUT record, they share it.
 */
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { AcceptedSocket } from './accepted-socket.js'
import {
  HEADER_LENGTH,
  MAX_ALIGNED_CONTENT_LENGTH,
  RecordType,
  paddingFor,
  writeEndRequest,
  writeHeader,
} from '../fastcgi/record.js'
import { STATUS_LINE_PREFIX, STATUS_PREFIX } from '../http/cgi-response.js'

/** Called when bytes have left, or with the reason why they never will. */
export type WriteCallback = (error?: Error | null) => void

const BUFFER_LENGTH = 64 * 1024
/** Content longer than this is not copied but written from where it is. */
const COPY_LIMIT = 16 * 1024
/** Text that could take more bytes than this is encoded into a buffer of its own. */
const TEXT_LIMIT = 48 * 1024
/** Bytes kept free for the end of a record and of a request: padding, an empty STDOUT, END_REQUEST. */
const TRAILER_LENGTH = 64
/** Bytes that one UTF-16 code unit can take in any encoding. */
const MAX_BYTES_PER_UNIT = 3
const MAX_POOLED = 8
/** Record headers up to so many bytes are copied out of the buffer, where they go between content that is not copied. */
const HEADERS_COPY_LIMIT = 4 * 1024
/**
 * Node's head begins with `HTTP/1.1 `, FastCGI's with `Status: `, which is one byte shorter. So the head is written one byte
 * early, over the last byte of the record header. The record header is written later, and Status over the rest.
 */
const STATUS_SHIFT = STATUS_LINE_PREFIX.length - STATUS_PREFIX.length
const STATUS_BYTES = Buffer.from(STATUS_PREFIX, 'latin1')

const NO_BYTES = Buffer.alloc(0)

const pool: Buffer[] = []

function takeBuffer(): Buffer {
  return pool.pop() ?? Buffer.allocUnsafeSlow(BUFFER_LENGTH)
}

function returnBuffer(buffer: Buffer): void {
  if (pool.length < MAX_POOLED) pool.push(buffer)
}

/** The outgoing side of a connection. */
export class RecordWriter {
  readonly #socket: Duplex
  /** Whether a buffer can be reused once its write is complete. True of a net.Socket; another Duplex may keep the bytes. */
  readonly #reusesBuffers: boolean
  #buffer: Buffer | undefined
  #used = 0
  /** The offset of the header of the open STDOUT record, which is written when the record closes; -1 where none is open. */
  #recordStart = -1
  #recordId = 0
  /** Content that is not in the buffer, and for each piece how many of the buffer's bytes come before it. */
  #segments: Uint8Array[] = []
  #offsets: number[] = []
  #segmentsLength = 0
  /** The first callback of the next flush. */
  #callback: WriteCallback | undefined
  /** All callbacks of the next flush, if there is more than one. */
  #callbacks: WriteCallback[] | undefined

  constructor(socket: Duplex) {
    this.#socket = socket
    this.#reusesBuffers = socket instanceof Socket
  }

  /** Bytes that were given and have not left the process. */
  get length(): number {
    return this.#segmentsLength + this.#used + this.#socket.writableLength
  }

  /** The head of a response, as Node made it: `HTTP/1.1 200 OK…` becomes `Status: 200 OK…`. */
  head(requestId: number, text: string, encoding: BufferEncoding): void {
    this.#closeRecord()
    if (text.length * MAX_BYTES_PER_UNIT > TEXT_LIMIT) {
      const bytes = Buffer.from(text, encoding)
      bytes.set(STATUS_BYTES, STATUS_SHIFT)
      this.#reference(requestId, bytes.subarray(STATUS_SHIFT))
      return
    }
    const buffer = this.#openRecord(requestId, text.length * MAX_BYTES_PER_UNIT)
    const content = this.#used
    this.#used += buffer.write(text, content - STATUS_SHIFT, encoding) - STATUS_SHIFT
    buffer.set(STATUS_BYTES, content)
  }

  /** Content of a response's body. */
  stdoutText(requestId: number, text: string, encoding: BufferEncoding): void {
    if (text.length * MAX_BYTES_PER_UNIT > TEXT_LIMIT) {
      this.stdout(requestId, Buffer.from(text, encoding))
      return
    }
    const buffer = this.#openRecord(requestId, text.length * MAX_BYTES_PER_UNIT)
    this.#used += buffer.write(text, this.#used, encoding)
  }

  /** Content of a response's body. Bytes that are not copied must not change until the callback. */
  stdout(requestId: number, bytes: Uint8Array): void {
    if (bytes.length > COPY_LIMIT) {
      this.#closeRecord()
      this.#reference(requestId, bytes)
      return
    }
    this.#openRecord(requestId, bytes.length).set(bytes, this.#used)
    this.#used += bytes.length
  }

  /** The empty STDOUT record and END_REQUEST. */
  end(requestId: number, appStatus: number, protocolStatus: number): void {
    this.#closeRecord()
    const buffer = this.#reserve(TRAILER_LENGTH)
    const offset = writeHeader(buffer, this.#used, RecordType.STDOUT, requestId, 0, 0)
    this.#used = writeEndRequest(buffer, offset, requestId, appStatus, protocolStatus)
  }

  /** A whole record. */
  record(record: Uint8Array): void {
    this.#closeRecord()
    this.#reserve(record.length).set(record, this.#used)
    this.#used += record.length
  }

  /** Calls back when all that was given so far has left. */
  onFlushed(callback: WriteCallback): void {
    // Node's response nearly always has two, one for its body and one for its end: room for them is made at once.
    if (this.#callback === undefined) this.#callback = callback
    else if (this.#callbacks === undefined) this.#callbacks = [this.#callback, callback]
    else this.#callbacks.push(callback)
  }

  /** Writes all that was given, in one write. */
  flush(): void {
    const buffer = this.#buffer
    if (buffer === undefined) {
      // There are only callbacks. An empty write calls them after the writes before it; of bytes, as a lean connection takes.
      if (this.#callback !== undefined) this.#socket.write(NO_BYTES, this.#takeCallback())
      return
    }
    this.#closeRecord()
    this.#buffer = undefined
    const callback = this.#takeCallback()
    if (this.#segments.length === 0) this.#write(buffer, callback)
    else this.#writeSegments(buffer, callback)
  }

  /** Throws away what was not written, and calls the callbacks with the error. */
  discard(error: Error): void {
    const callback = this.#takeCallback()
    this.#buffer = undefined
    this.#empty()
    this.#recordStart = -1
    if (callback !== undefined) process.nextTick(callback, error)
  }

  /** Takes the callbacks of this flush, as one function that calls them all. */
  #takeCallback(): WriteCallback | undefined {
    const callback = this.#callbacks === undefined ? this.#callback : callAll.bind(undefined, this.#callbacks)
    this.#callback = undefined
    this.#callbacks = undefined
    return callback
  }

  #write(buffer: Buffer, callback: WriteCallback | undefined): void {
    const socket = this.#socket
    const bytes = buffer.subarray(0, this.#used)
    this.#used = 0
    socket.write(bytes, callback)
    if (this.#reusesBuffers && socket.writableLength === 0) returnBuffer(buffer)
  }

  #writeSegments(buffer: Buffer, callback: WriteCallback | undefined): void {
    // Such a write goes on for as long as the web server is slow to read: it must not hold a whole buffer for some headers.
    const isCopied = this.#used <= HEADERS_COPY_LIMIT
    const pieces = this.#pieces(isCopied ? Buffer.from(buffer.subarray(0, this.#used)) : buffer)
    if (isCopied) returnBuffer(buffer)
    this.#empty()
    const socket = this.#socket
    const onWritten: WriteCallback = (error) => {
      if (!isCopied && this.#reusesBuffers && !error) returnBuffer(buffer)
      callback?.(error)
    }
    if (AcceptedSocket.isLean(socket) && !socket.destroyed) {
      socket.writeAll(pieces, onWritten)
      return
    }
    socket.cork()
    const last = pieces.length - 1
    pieces.forEach((piece, index) => { socket.write(piece, index === last ? onWritten : undefined) })
    socket.uncork()
  }

  /** Nothing is left to be written. */
  #empty(): void {
    this.#segments = []
    this.#offsets = []
    this.#segmentsLength = 0
    this.#used = 0
  }

  /** The buffer's bytes, which are in `buffer`, with the segments between them. */
  #pieces(buffer: Buffer): Uint8Array[] {
    const pieces: Uint8Array[] = []
    let start = 0
    this.#segments.forEach((segment, index) => {
      const end = this.#offsets[index] ?? start
      if (end > start) pieces.push(buffer.subarray(start, end))
      pieces.push(segment)
      start = end
    })
    if (this.#used > start) pieces.push(buffer.subarray(start, this.#used))
    return pieces
  }

  /** Adds content without copying it, in as few STDOUT records as it takes. */
  #reference(requestId: number, bytes: Uint8Array): void {
    for (let start = 0; start < bytes.length; start += MAX_ALIGNED_CONTENT_LENGTH) {
      const content = bytes.subarray(start, start + MAX_ALIGNED_CONTENT_LENGTH)
      const paddingLength = paddingFor(content.length)
      const buffer = this.#reserve(HEADER_LENGTH)
      this.#used = writeHeader(buffer, this.#used, RecordType.STDOUT, requestId, content.length, paddingLength)
      this.#offsets.push(this.#used)
      this.#segments.push(content)
      this.#segmentsLength += content.length
      this.#pad(this.#reserve(paddingLength), paddingLength)
    }
  }

  /** The buffer with an open STDOUT record of this request that has room for so many bytes more. */
  #openRecord(requestId: number, length: number): Buffer {
    if (this.#recordStart >= 0) {
      const fits = this.#used + length + TRAILER_LENGTH <= BUFFER_LENGTH
      if (fits && this.#recordId === requestId && this.#buffer !== undefined) return this.#buffer
      this.#closeRecord()
    }
    const buffer = this.#reserve(HEADER_LENGTH + length)
    this.#recordStart = this.#used
    this.#recordId = requestId
    this.#used += HEADER_LENGTH
    return buffer
  }

  #closeRecord(): void {
    const start = this.#recordStart
    if (start < 0 || this.#buffer === undefined) return
    this.#recordStart = -1
    const contentLength = this.#used - start - HEADER_LENGTH
    if (contentLength === 0) {
      this.#used = start
      return
    }
    const paddingLength = paddingFor(contentLength)
    writeHeader(this.#buffer, start, RecordType.STDOUT, this.#recordId, contentLength, paddingLength)
    this.#pad(this.#buffer, paddingLength)
  }

  #pad(buffer: Buffer, paddingLength: number): void {
    for (let i = 0; i < paddingLength; i++) buffer[this.#used++] = 0
  }

  /** The buffer, with room for so many bytes and a trailer. */
  #reserve(length: number): Buffer {
    if (this.#buffer !== undefined) {
      if (this.#used + length + TRAILER_LENGTH <= BUFFER_LENGTH) return this.#buffer
      // It is full: its bytes are segments like others.
      this.#segments = this.#pieces(this.#buffer)
      this.#offsets = this.#segments.map(() => 0)
      this.#segmentsLength += this.#used
      this.#used = 0
    }
    this.#buffer = takeBuffer()
    return this.#buffer
  }
}

/** Calls each of them, also where one throws. */
function callAll(callbacks: WriteCallback[], error?: Error | null): void {
  let called = 0
  try {
    for (const callback of callbacks) {
      called++
      callback(error)
    }
  } finally {
    if (called < callbacks.length) process.nextTick(callAll, callbacks.slice(called), error)
  }
}
