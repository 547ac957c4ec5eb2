/**
 * What holds a connection up, both ways: request bodies whose readers are full, a web server that leaves its answers
 * unread, and responses that wait until what they wrote has left. Nothing else pauses or resumes a connection.
 */
import type { Duplex } from 'node:stream'
import type { RecordReader } from '../fastcgi/record.js'
import type { ServerConfiguration } from './options.js'
import type { RecordWriter } from './record-writer.js'
import type { RequestSocket } from './request-socket.js'

/** What flow control needs of the connection. */
export interface FlowConnection {
  readonly socket: Duplex
  readonly output: RecordWriter
  readonly configuration: ServerConfiguration
  readonly requests: {
    /** How many requests are open. */
    readonly open: number
    /** Lets responses that were told to wait go on. */
    drain(): void
  }
  /** Reads what the web server sent. */
  read(chunk: Buffer, start: number, end: number): void
}

/** Bytes of answers that wait for the web server to read them, until its next question waits too. */
const MAX_UNREAD = 1024 * 1024

/** Pause and resume, stall and drain of one connection. */
export class FlowControl {
  readonly #connection: FlowConnection
  readonly #reader: RecordReader
  /** Requests whose body has a reader that is full. */
  readonly #paused = new Set<RequestSocket>()
  /** The web server does not read its answers, so it is not read from. */
  #stalled = false
  /** What had been read already as that began. */
  #rest: Buffer | undefined
  /** Some response waits for 'drain'. */
  #wantsDrain = false

  constructor(connection: FlowConnection, reader: RecordReader) {
    this.#connection = connection
    this.#reader = reader
  }

  /** Whether bodies may come to a halt because nothing is read, and not because nothing is sent. */
  get isHeldUp(): boolean {
    return this.#stalled || this.#paused.size > 0
  }

  /** The reader of the request's body is full. */
  pauseInput(socket: RequestSocket): void {
    if (!socket.expectsInput) return
    this.#paused.add(socket)
    this.#connection.socket.pause()
  }

  /** As {@link pauseInput}. With other requests on the connection, a slow reader may hold more before they all have to wait. */
  pauseInputWithinLimit(socket: RequestSocket): void {
    const { requests, configuration } = this.#connection
    if (requests.open > 1 && socket.buffered < configuration.limits.bufferedBytes) return
    this.pauseInput(socket)
  }

  /** The reader wants more, or needs no more. */
  resumeInput(socket: RequestSocket): void {
    if (this.#paused.size > 0 && this.#paused.delete(socket)) this.#resume()
  }

  /** A stream of the request's input is complete: once nothing more is to come for it, it holds up nobody, read or not. */
  onInputEnd(socket: RequestSocket): void {
    if (!socket.expectsInput) this.resumeInput(socket)
  }

  /**
   * A web server that asks without reading the answers is not read from either. Called where it asks for something new, so
   * that one which sends a whole body before it reads the answer is never kept waiting.
   */
  stallWhileUnread(): void {
    const { output, socket } = this.#connection
    if (this.#stalled || output.length < MAX_UNREAD) return
    this.#stalled = true
    this.#reader.pause()
    socket.pause()
    output.onFlushed((error) => {
      if (!error) this.#endStall()
    })
    output.flush()
  }

  /** Keeps what was read and not looked at, until the stall is over. */
  keepRest(rest: Buffer): void {
    this.#rest = rest
  }

  /** Some response waits for 'drain'. */
  wantDrain(): void {
    this.#wantsDrain = true
  }

  /** The output is about to be written. */
  beforeFlush(): void {
    if (!this.#wantsDrain) return
    this.#connection.output.onFlushed((error) => {
      if (!error) this.#onFlushed()
    })
  }

  /** No request is left. */
  clear(): void {
    this.#paused.clear()
  }

  #endStall(): void {
    const rest = this.#rest
    this.#stalled = false
    this.#rest = undefined
    this.#reader.resume()
    this.#resume()
    if (rest !== undefined) this.#connection.read(rest, 0, rest.length)
  }

  #onFlushed(): void {
    if (this.#connection.output.length > 0) return
    this.#wantsDrain = false
    this.#connection.requests.drain()
  }

  #resume(): void {
    if (this.#paused.size === 0 && !this.#stalled) this.#connection.socket.resume()
  }
}
