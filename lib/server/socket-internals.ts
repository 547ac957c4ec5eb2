/**
 * The internals of Node's `net` that accepting relies on, all of them, each with its reason: what Node does to the handle of
 * a connection when it makes a `net.Socket` of it, so that it can be done before there is a `net.Socket`. They are found by
 * looking at what `net.Socket` does to a handle made for the purpose, and where one of them is not as expected, every
 * connection gets its `net.Socket` at once. Tested on every supported version.
 */
import { EventEmitter } from 'node:events'
import { Socket, type OnReadOpts, type SocketConstructorOpts } from 'node:net'

/** The handle of an accepted connection, as far as it is used here. */
export interface ConnectionHandle {
  /** Whether Node has told it to read. `net.Socket` looks here. */
  reading?: boolean
  /** Its descriptor, where the system has them: what has arrived can be read at once. -1 once it is closed. */
  readonly fd?: number
  readStart(): number
  readStop(): number
  /** Reads go into this buffer, and not into 64 KB that are allocated for each. */
  useUserBuffer(buffer: Uint8Array): void
  setNoDelay?(noDelay: boolean): void
  setKeepAlive?(keepAlive: boolean, seconds: number): void
}

/** The options of a `net.Socket` with those that are not documented. */
export interface AcceptedSocketOptions extends SocketConstructorOpts {
  /** The connection that was accepted. */
  handle?: ConnectionHandle
  onread: OnReadOpts
  /** It does not begin to read. */
  manualStart?: boolean
  /** The handle was told `setNoDelay(true)`. */
  noDelay?: boolean
}

/** Of which properties `net.Socket` and its handle know each other. */
export interface SocketInternals {
  /** On a handle: the socket that what is read belongs to. */
  readonly owner: symbol
  /** What a handle calls with what was read. It looks for the owner's buffer, and gives the length to its callback. */
  readonly onStreamRead: unknown
  /** On a socket: the handle. `_handle` reads and writes it. */
  readonly handle: symbol
  /** On a socket: the buffer of its option `onread`, the callback of it, and what would make another buffer. */
  readonly buffer: symbol
  readonly bufferCallback: symbol
  readonly bufferGenerator: symbol
  /** On a socket: the bytes of a write that has not left. */
  readonly lastWriteQueueSize: symbol
  /** On a socket: the timer of its time limit. */
  readonly timeout: symbol
  /** On a socket that is closed: what its handle had counted. */
  readonly bytesRead: symbol
  readonly bytesWritten: symbol
  /** All properties that `net.Socket` gives a socket of its own, those of every EventEmitter left out. */
  readonly socketKeys: readonly (string | symbol)[]
}

/** What `net.Socket` is known to leave on a handle. */
const HANDLE_KEYS = ['onread', 'owner_symbol']

/**
 * Looks at what `net.Socket` does to a handle; undefined where that is not what is known.
 *
 * @param create makes a `net.Socket`; tests give another one
 */
export function findSocketInternals(create: (options: AcceptedSocketOptions) => Socket = createSocket): SocketInternals | undefined {
  const buffer = Buffer.alloc(1)
  const callback = (): boolean => true
  const { handle, buffers } = createProbeHandle()
  try {
    const options: AcceptedSocketOptions = { handle, allowHalfOpen: true, manualStart: true, onread: { buffer, callback } }
    const socket = create(options)
    const named = (description: string): symbol => findSymbol(socket, description)
    const internals: SocketInternals = {
      owner: findSymbol(handle, 'owner_symbol'),
      onStreamRead: Reflect.get(handle, 'onread'),
      handle: named('kHandle'),
      buffer: named('kBuffer'),
      bufferCallback: named('kBufferCb'),
      bufferGenerator: named('kBufferGen'),
      lastWriteQueueSize: named('lastWriteQueueSize'),
      timeout: named('timeout'),
      bytesRead: named('kBytesRead'),
      bytesWritten: named('kBytesWritten'),
      socketKeys: Reflect.ownKeys(socket).filter((key) => !EMITTER_KEYS.has(key)),
    }
    const isKnown = buffers.length === 1 && buffers[0] === buffer && isWiredAsKnown(handle, socket, internals) &&
      Reflect.get(socket, internals.buffer) === buffer && Reflect.get(socket, internals.bufferCallback) === callback
    return isKnown ? internals : undefined
  } catch {
    return undefined
  }
}

function createSocket(options: AcceptedSocketOptions): Socket {
  return new Socket(options)
}

const EMITTER_KEYS: ReadonlySet<string | symbol> = new Set(Reflect.ownKeys(new EventEmitter()))

function isWiredAsKnown(handle: ConnectionHandle, socket: Socket, internals: SocketInternals): boolean {
  const added = Reflect.ownKeys(handle).filter((key) => !PROBE_KEYS.has(key)).map((key) => typeof key === 'symbol' ? key.description : key)
  return added.sort().join() === HANDLE_KEYS.join() &&
    Reflect.get(handle, internals.owner) === socket && typeof internals.onStreamRead === 'function' &&
    Reflect.get(socket, internals.handle) === handle && Reflect.get(socket, internals.bufferGenerator) === null &&
    Reflect.get(socket, internals.lastWriteQueueSize) === 0
}

/** A handle without a connection, and what it was told. */
export interface ProbeHandle {
  readonly handle: ConnectionHandle
  readonly buffers: Uint8Array[]
  readonly written: unknown[]
  readonly closings: (() => void)[]
}

const PROBE_KEYS: ReadonlySet<string | symbol> = new Set(Reflect.ownKeys(createProbeHandle().handle))

/** Makes a handle for trying out what Node does to one. */
export function createProbeHandle(): ProbeHandle {
  const buffers: Uint8Array[] = []
  const written: unknown[] = []
  const closings: (() => void)[] = []
  const handle = {
    reading: false,
    bytesRead: 0,
    bytesWritten: 0,
    readStart: () => 0,
    readStop: () => 0,
    useUserBuffer: (buffer: Uint8Array) => {
      buffers.push(buffer)
    },
    writeBuffer: (_request: unknown, bytes: unknown) => {
      written.push(bytes)
      return 0
    },
    close: (callback: () => void) => {
      closings.push(callback)
    },
  }
  return { handle, buffers, written, closings }
}

/** Finds a symbol by its description. @throws TypeError where there is none. */
function findSymbol(target: object, description: string): symbol {
  const found = Object.getOwnPropertySymbols(target).find((symbol) => symbol.description === description)
  // eslint-disable-next-line no-restricted-syntax -- caught above: connections get a net.Socket at once
  if (found === undefined) throw new TypeError(description)
  return found
}
