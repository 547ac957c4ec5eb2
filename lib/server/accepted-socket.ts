/**
 * An accepted connection that is a `net.Socket` only when somebody asks.
 *
 * Where web servers open a connection for each request, which nginx does by default, making and ending a `net.Socket` with
 * the two streams in it costs more than all that the adapter does for a small request. An AcceptedSocket reads, writes and
 * closes by Node's own methods, and has none of the rest. Whoever touches any of the rest makes it whole: the same object
 * then has the prototype and all properties of a `net.Socket`, with its connection, its listeners and what is being
 * written. From the outside it has been one all the time.
 */
import { EventEmitter } from 'node:events'
import { readSync } from 'node:fs'
import type { Server } from 'node:http'
import { Socket } from 'node:net'
import { getDefaultHighWaterMark } from 'node:stream'
import { runInOwnResource } from './async-context.js'
import { createProbeHandle, findSocketInternals, type AcceptedSocketOptions, type ConnectionHandle, type SocketInternals } from './socket-internals.js'

/** Bytes read at once. */
const READ_BUFFER_LENGTH = 128 * 1024
/** What all connections are read into. */
export const readBuffer = Buffer.allocUnsafeSlow(READ_BUFFER_LENGTH)

/** Called with what a socket read: the read buffer from 0 up to `length`, valid only during the call. False stops reading. */
export type ReadCallback = (socket: Socket, length: number) => boolean

/** Called when bytes have left, or with the reason why they never will. */
type WriteCallback = (error?: Error | null) => void

/** What a stream's implementation is asked to do by Node's streams: the methods of `net.Socket` that do the work. */
interface StreamImplementation {
  _read(size: number): void
  _write(chunk: Uint8Array, encoding: string, callback: WriteCallback): void
  _writev(chunks: Chunks, callback: WriteCallback): void
  _destroy(error: Error | null, callback: (error?: Error | null) => void): void
}

/** As streams give them: Node takes the pieces out without a copy if all of them are bytes. */
type Chunks = { chunk: Uint8Array, encoding: 'buffer' }[] & { allBuffers?: boolean }

const implementation = Socket.prototype as unknown as StreamImplementation
const emitter = EventEmitter.prototype
const nothing = (): void => undefined
const internals = findSocketInternals()

/** One write to the handle. Most often there is one at a time, and all of a connection are the same. */
class HandleWrite {
  length = 0
  callback: WriteCallback | undefined
  /** While the handle is being called: it may send at once. */
  isBeingGiven = false
  readonly onSent: WriteCallback

  constructor(socket: AcceptedSocket) {
    this.onSent = (error) => { AcceptedSocket.onSent(socket, this, error ?? null) }
  }
}

/** A connection that was accepted. While it is lean, it has only what is here. */
export class AcceptedSocket {
  server: Server | null
  _server: Server | null
  _httpMessage: unknown = null
  destroyed = false
  connecting = false
  /** It is ended only as a whole one. A lean one has it, because it is looked at after every response that closes. */
  readonly writableEnded: boolean = false
  _pendingData: unknown = null
  _pendingEncoding = ''
  readonly #handle: ConnectionHandle
  readonly #onRead: ReadCallback
  readonly #noDelay: boolean
  #isLean = true
  /** Bytes that the handle has not counted. */
  #taken = 0
  /** Bytes that were given to the handle and have not left. */
  #unsent = 0
  /** The latest write that has left, for the next one. */
  #spareWrite: HandleWrite | undefined
  /** After it became whole: tells its stream that what had been given to the handle before has left. */
  #onAllSent: WriteCallback | undefined

  /** Begins to read. `noDelay`: the handle was told `setNoDelay(true)`. */
  constructor(handle: ConnectionHandle, server: Server, onRead: ReadCallback, { owner, handle: handleKey, lastWriteQueueSize, onStreamRead }: SocketInternals, noDelay: boolean) {
    this.server = server
    this._server = server
    this.#handle = handle
    this.#onRead = onRead
    this.#noDelay = noDelay
    const self = this as Record<symbol, unknown>
    self[handleKey] = handle
    self[lastWriteQueueSize] = 0
    const wired = handle as ConnectionHandle & Record<symbol | 'onread', unknown>
    wired[owner] = this
    wired.onread = onStreamRead
    handle.useUserBuffer(readBuffer)
    implementation._read.call(this, 0)
  }

  /** Whether a socket is one of these, and nobody has made it whole. */
  static isLean(socket: object): socket is AcceptedSocket {
    return #isLean in socket && socket.#isLean
  }

  /** Makes a socket whole, if it is one of these. It can be done at any time, closed or open. */
  static makeWhole(socket: object): Socket {
    if (#isLean in socket && socket.#isLean) socket.#becomeWhole()
    return socket as Socket
  }

  /** What was given to the handle has left, or never will. It may be whole by then: so it is no method of its own. */
  static onSent(socket: AcceptedSocket, write: HandleWrite, error: Error | null): void {
    const { length, callback, isBeingGiven } = write
    write.callback = undefined
    socket.#spareWrite = write
    socket.#unsent -= length
    if (callback !== undefined) {
      if (isBeingGiven) process.nextTick(callback, error)
      else callback(error)
    }
    socket.#afterSent(error)
  }

  /** What was read is in the buffer. Node calls it, or its namesake, as the callback of `onread`. */
  onRead(length: number): boolean {
    return this.#onRead(asSocket(this), length)
  }

  /**
   * Reads what has arrived and the event loop has not brought yet, past the handle, as if it had come by it. An end stays where it
   * is, and what has failed fails for whoever reads next.
   *
   * @returns whether anything had; false where it is not lean, or does not read
   */
  takeArrived(): boolean {
    const { fd = -1, reading } = this.#handle
    if (!this.#isLean || this.destroyed || reading !== true || fd < 0) return false
    const length = readIntoBuffer(fd)
    if (length === 0) return false
    this.#taken += length
    runInOwnResource(() => {
      if (!this.onRead(length)) this.pause()
    })
    return true
  }

  get bytesRead(): number {
    return countRead(this) + this.#taken
  }

  // ---- What the adapter does with its connections ----

  get writableLength(): number {
    return this.#unsent
  }

  get writableHighWaterMark(): number {
    return getDefaultHighWaterMark(false)
  }

  get readableHighWaterMark(): number {
    return getDefaultHighWaterMark(false)
  }

  write(data: unknown, callback?: unknown, last?: unknown): boolean {
    const isPlain = data instanceof Uint8Array && (callback === undefined || typeof callback === 'function')
    if (!this.#isLean || !isPlain || this.destroyed) return callWhole(this, 'write', [data, callback, last]) as boolean
    this.#send(data, undefined, data.length, callback as WriteCallback | undefined)
    return this.#unsent < this.writableHighWaterMark
  }

  /** Writes several pieces at once; only while it is lean and open. */
  writeAll(pieces: readonly Uint8Array[], callback: WriteCallback): void {
    const chunks: Chunks = []
    let length = 0
    for (const chunk of pieces) {
      length += chunk.length
      chunks.push({ chunk, encoding: 'buffer' })
    }
    chunks.allBuffers = true
    this.#send(undefined, chunks, length, callback)
  }

  pause(): this {
    if (!this.#isLean || this.destroyed) return callWhole(this, 'pause', []) as this
    if (this.#handle.reading === true) {
      this.#handle.reading = false
      this.#handle.readStop()
    }
    return this
  }

  resume(): this {
    if (!this.#isLean || this.destroyed) return callWhole(this, 'resume', []) as this
    // It reads if it does not yet.
    implementation._read.call(this, 0)
    return this
  }

  destroy(error?: Error | null): this {
    // An error is emitted, in the order that streams have.
    if (!this.#isLean || (error !== undefined && error !== null)) return callWhole(this, 'destroy', [error]) as this
    this.#close(null)
    return this
  }

  // ---- Events: those of the connection need no stream ----

  on(name: string | symbol, listener: (...args: unknown[]) => void): this {
    if (!this.#isLean || name === 'data' || name === 'readable') return callWhole(this, 'on', [name, listener]) as this
    emitter.on.call(asSocket(this), name, listener)
    return this
  }

  addListener(name: string | symbol, listener: (...args: unknown[]) => void): this {
    return this.on(name, listener)
  }

  removeListener(name: string | symbol, listener: (...args: unknown[]) => void): this {
    if (!this.#isLean) return callWhole(this, 'removeListener', [name, listener]) as this
    emitter.removeListener.call(asSocket(this), name, listener)
    return this
  }

  off(name: string | symbol, listener: (...args: unknown[]) => void): this {
    return this.removeListener(name, listener)
  }

  /** Time limits of a socket's own: a lean one has none, or it would be whole. */
  _unrefTimer(): void {
    if (!this.#isLean) callWhole(this, '_unrefTimer', [])
  }

  // ---- Inside ----

  /** Gives the handle one piece, or several. Counts them until they have left, and then calls back, never at once. */
  #send(piece: Uint8Array | undefined, pieces: Chunks | undefined, length: number, callback: WriteCallback | undefined): void {
    const write = this.#spareWrite ?? new HandleWrite(this)
    this.#spareWrite = undefined
    write.length = length
    write.callback = callback
    write.isBeingGiven = true
    this.#unsent += length
    if (piece !== undefined) implementation._write.call(this, piece, 'buffer', write.onSent)
    else if (pieces !== undefined) implementation._writev.call(this, pieces, write.onSent)
    write.isBeingGiven = false
  }

  #afterSent(error: Error | null): void {
    if (this.#isLean) {
      // EPIPE or ECONNRESET: the web server has gone.
      if (error !== null) this.#close(error)
    } else if (this.#onAllSent !== undefined && (this.#unsent === 0 || error !== null)) {
      const onAllSent = this.#onAllSent
      this.#onAllSent = undefined
      onAllSent(error)
    }
  }

  #close(error: Error | null): void {
    if (this.destroyed) return
    this.destroyed = true
    implementation._destroy.call(this, error, nothing)
  }

  #becomeWhole(): void {
    const { server, _server, destroyed } = this
    const handle = this.#handle
    const isReading = handle.reading === true
    const bytes = [internals?.bytesRead, internals?.bytesWritten].map((key) => [key, key === undefined ? 0 : Reflect.get(this, key)] as const)
    this.#isLean = false
    Object.setPrototypeOf(this, Socket.prototype)
    // They hide those that the prototype has.
    Reflect.deleteProperty(this, 'destroyed')
    Reflect.deleteProperty(this, 'writableEnded')
    const options: AcceptedSocketOptions = {
      allowHalfOpen: true,
      readable: true,
      writable: true,
      manualStart: !isReading,
      noDelay: this.#noDelay,
      onread: { buffer: readBuffer, callback: (length) => this.#onRead(asSocket(this), length) },
      ...(destroyed ? {} : { handle }),
    }
    // A function, not a class: it can be called on an object that exists already.
    Reflect.apply(Socket as unknown as (given: object) => void, this, [options])
    Object.assign(this, { server, _server })
    if (destroyed) {
      for (const [key, value] of bytes) if (key !== undefined) Reflect.set(this, key, value)
      markDestroyed(asSocket(this))
    } else if (!isReading) asSocket(this).pause()
    if (this.#taken > 0) Object.defineProperty(this, 'bytesRead', { configurable: true, get: () => countRead(this) + this.#taken })
    if (this.#unsent > 0 && !destroyed) this.#handOverUnsent(asSocket(this))
  }

  /** Its stream learns of what the handle has not sent, as of a write that goes on. */
  #handOverUnsent(socket: Socket): void {
    Object.assign(socket, {
      _write: (_chunk: unknown, _encoding: unknown, callback: WriteCallback) => {
        this.#onAllSent = callback
      },
    })
    // The stream only counts them: so there are none, of that length. They may be many, and the web server has often gone.
    socket.write(Object.defineProperty(Buffer.alloc(0), 'length', { value: this.#unsent }))
    Reflect.deleteProperty(socket, '_write')
  }
}

/** How many bytes were read. */
function readIntoBuffer(fd: number): number {
  try {
    return readSync(fd, readBuffer)
  } catch {
    // EAGAIN: nothing has arrived.
    return 0
  }
}

/** What a closed stream says of itself. */
function markDestroyed(socket: Socket): void {
  Reflect.set(socket, 'destroyed', true)
  for (const name of ['_readableState', '_writableState']) {
    const state: unknown = Reflect.get(socket, name)
    if (typeof state === 'object' && state !== null) Object.assign(state, { closed: true, closeEmitted: true })
  }
}

function callWhole(socket: AcceptedSocket, name: string, given: unknown[]): unknown {
  const method: unknown = Reflect.get(Socket.prototype, name)
  return Reflect.apply(method as () => unknown, AcceptedSocket.makeWhole(socket), given)
}

/** What Node has counted. Its getter is on the prototype of `net.Socket`. */
function countRead(socket: AcceptedSocket): number {
  return Reflect.get(Socket.prototype, 'bytesRead', socket)
}

function asSocket(socket: AcceptedSocket): Socket {
  return socket as unknown as Socket
}

/** What Node's methods look at or leave on a socket while it closes: nothing that another method has set. */
const READ_WHILE_CLOSING: readonly (readonly [string, unknown])[] = [['_parent', null], ['_closeAfterHandlingError', false]]
const SET_WHILE_CLOSING = ['_sockname']

/** Gives a lean socket what Node's methods read of it. Whatever else a `net.Socket` has makes it whole when it is touched. */
function prepare(known: SocketInternals): void {
  const { prototype } = AcceptedSocket
  Object.setPrototypeOf(prototype, Socket.prototype)
  const own = new Set<string | symbol>(['server', '_server', 'connecting', '_pendingData', '_pendingEncoding', known.handle, known.lastWriteQueueSize])
  const quiet = new Map<string | symbol, unknown>([...READ_WHILE_CLOSING, [known.timeout, null]])
  const plain = new Map<string | symbol, unknown>([
    [known.buffer, readBuffer], [known.bufferCallback, Reflect.get(prototype, 'onRead')], [known.bufferGenerator, null],
    [known.bytesRead, 0], [known.bytesWritten, 0], ...SET_WHILE_CLOSING.map((key) => [key, null] as const),
    ['constructor', Socket],
  ])
  for (const [key, value] of plain) Object.defineProperty(prototype, key, { value, writable: true, configurable: true })
  for (const key of known.socketKeys) {
    if (!own.has(key) && !plain.has(key)) Object.defineProperty(prototype, key, onTouch(key, quiet))
  }
}

/** A property that makes the socket whole. `quiet`: which do so only when they are set, and their values. */
function onTouch(key: string | symbol, quiet: ReadonlyMap<string | symbol, unknown>): PropertyDescriptor {
  const set = function set(this: object, value: unknown): void {
    if (AcceptedSocket.isLean(this)) Reflect.set(AcceptedSocket.makeWhole(this), key, value)
  }
  if (quiet.has(key)) return { configurable: true, get: () => quiet.get(key), set }
  return {
    configurable: true,
    get(this: object): unknown {
      return AcceptedSocket.isLean(this) ? Reflect.get(AcceptedSocket.makeWhole(this), key) : undefined
    },
    set,
  }
}

/** Tries on handles without a connection that a lean socket stays lean, and becomes whole. */
function isUsable(known: SocketInternals): boolean {
  try {
    const server = { _connections: 2 } as unknown as Server
    const [one, two] = [createProbeHandle(), createProbeHandle()]
    const create = (handle: ConnectionHandle): AcceptedSocket => new AcceptedSocket(handle, server, () => true, known, false)
    const events: string[] = []
    const lean = create(one.handle).on('close', () => events.push('close'))
    const bytes = new Uint8Array(1)
    lean.write(bytes)
    lean.destroy()
    const isWritten = one.handle.reading === true && one.written.length === 1 && one.written[0] === bytes
    one.closings[0]?.()
    const isClosed = one.closings.length === 1 && events.length === 1 && Reflect.get(server, '_connections') === 1
    const staysLean = AcceptedSocket.isLean(lean)
    const other = create(two.handle).on('close', () => events.push('close'))
    const whole = AcceptedSocket.makeWhole(other)
    const becomesWhole = Object.getPrototypeOf(whole) === Socket.prototype && whole.listenerCount('close') === 1 && !whole.destroyed &&
      whole.readable && whole.writable && Reflect.get(whole, '_handle') === two.handle && !AcceptedSocket.isLean(whole)
    return isWritten && isClosed && staysLean && becomesWhole
  } catch {
    return false
  }
}

/** Makes a socket of a connection that was accepted; undefined where Node is not as expected, and each needs its `net.Socket`. */
export const createAcceptedSocket: ((handle: ConnectionHandle, server: Server, onRead: ReadCallback, noDelay: boolean) => Socket) | undefined = (() => {
  if (internals === undefined) return undefined
  prepare(internals)
  if (!isUsable(internals)) return undefined
  return (handle, server, onRead, noDelay) => asSocket(new AcceptedSocket(handle, server, onRead, internals, noDelay))
})()
