/**
 * Flow control of one connection, in both directions. Reading pauses while the reader of a request body is full, and while
 * the web server does not read its responses. Responses wait for 'drain' while the output is full. Nothing else pauses a
 * connection; connection.ts resumes one that is closing, to read what is left.
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
    /** Emits 'drain' on responses whose `write()` has returned false. */
    drain(): void
  }
  /** Reads what the web server sent. */
  read(chunk: Buffer, start: number, end: number): void
}

/** Bytes of output that the web server has not read; from here on its next request is not read until it has. */
const MAX_UNREAD = 1024 * 1024

/** Pause and resume, stall and drain of one connection. */
export class FlowControl {
  readonly #connection: FlowConnection
  readonly #reader: RecordReader
  /** Requests whose body has a reader that is full; undefined until there is one, for most connections never have any. */
  #paused: Set<RequestSocket> | undefined
  /** Whether nothing is read, because the web server does not read the output. */
  #stalled = false
  /** The part of the chunk that was not parsed when the stall began. */
  #rest: Buffer | undefined
  /** Whether a response waits for 'drain'. */
  #wantsDrain = false

  constructor(connection: FlowConnection, reader: RecordReader) {
    this.#connection = connection
    this.#reader = reader
  }

  /** Whether reading is paused: then a body that brings nothing is not the web server's fault, and no time limit counts. */
  get isHeldUp(): boolean {
    return this.#stalled || this.#somePaused
  }

  get #somePaused(): boolean {
    return this.#paused !== undefined && this.#paused.size > 0
  }

  /** The reader of the request's body is full. */
  pauseInput(socket: RequestSocket): void {
    if (!socket.expectsInput) return
    this.#paused = (this.#paused ?? new Set()).add(socket)
    this.#connection.socket.pause()
  }

  /** As {@link pauseInput}; while other requests share the connection, only once the body has `limits.bufferedBytes` unread. */
  pauseInputWithinLimit(socket: RequestSocket): void {
    const { requests, configuration } = this.#connection
    if (requests.open > 1 && socket.buffered < configuration.limits.bufferedBytes) return
    this.pauseInput(socket)
  }

  /** The reader wants more, or needs no more. */
  resumeInput(socket: RequestSocket): void {
    if (this.#paused?.delete(socket) === true) this.#resume()
  }

  /** A stream of the request's input has ended. When STDIN and DATA both have, a full reader no longer pauses the connection. */
  onInputEnd(socket: RequestSocket): void {
    if (!socket.expectsInput) this.resumeInput(socket)
  }

  /**
   * Stops reading from a web server that sends requests without reading the responses. Called only where a request or a
   * management record begins: a web server that sends a whole body before it reads the response is never stopped.
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

  /** Keeps the part of a chunk that was not parsed until the stall is over. */
  keepRest(rest: Buffer): void {
    this.#rest = rest
  }

  /** A response waits for 'drain'. */
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
    this.#paused = undefined
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
    if (!this.#somePaused && !this.#stalled) this.#connection.socket.resume()
  }
}
