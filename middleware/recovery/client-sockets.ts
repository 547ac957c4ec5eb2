/**
 * Watches the connections of an app's clients, such as those to databases: records which request writes to each, and
 * runs its events in the context of that request. Node's HTTP client is left alone: it gives each response its
 * request's context.
 *
 * Callbacks of writes over TLS are bound, those of responses, too: Node calls `process.emit` for their exceptions only after the context
 * was left.
 */
import { Socket } from 'node:net'
import type { Patches } from '../shared/patches.js'
import { contexts, requestContextOf } from './context.js'
import { PooledConnection } from './pooled-connection.js'

type EmitArguments = [name: string | symbol, ...args: unknown[]]

/** The patched methods. They have many signatures, all of which are replaced. */
interface Replaceable {
  connect(this: Socket, ...args: unknown[]): Socket
  write(this: InternalSocket, ...args: unknown[]): boolean
}

/** Properties of a socket that Node does not document. */
interface InternalSocket extends Socket {
  /** The server that has accepted the socket; undefined for sockets of clients. */
  readonly server?: unknown
  /** The HTTP request or response that the socket carries. */
  readonly _httpMessage?: unknown
  /** Set for TLS. */
  readonly encrypted?: unknown
}

type AnyFunction = (this: unknown, ...args: unknown[]) => unknown

const uses = new WeakMap<Socket, PooledConnection>()
let isWatching = false

/**
 * Begins to watch; `patches` put it back.
 *
 * @param guard binds a callback to the current context
 */
export function watchClientSockets(patches: Patches, guard: (callback: AnyFunction) => AnyFunction): void {
  isWatching = true
  patches.replace<Replaceable, 'connect'>(Socket.prototype, 'connect', (original) => {
    const connect = function connect(this: Socket, ...args: unknown[]): Socket {
      // A socket that connects again belongs to the request that connects it.
      const creator = requestContextOf(contexts.getStore())
      if (creator !== undefined) watch(this, new PooledConnection(creator, addressOf(args[0])))
      return Reflect.apply(original, this, args)
    }
    return connect
  })
  patches.replace<Replaceable, 'write'>(Socket.prototype, 'write', (original) => {
    const write = function write(this: InternalSocket, ...args: unknown[]): boolean {
      if (isMissing(this.server) && isMissing(this._httpMessage)) noteWrite(this)
      const callback = args.at(-1)
      if (typeof callback === 'function' && this.encrypted === true) args[args.length - 1] = guard(callback as AnyFunction)
      return Reflect.apply(original, this, args)
    }
    return write
  })
}

/** Ends it: sockets that are watched already emit their events as usual. */
export function unwatchClientSockets(): void {
  isWatching = false
}

function isMissing(value: unknown): boolean {
  return value === undefined || value === null
}

function noteWrite(socket: Socket): void {
  const context = contexts.getStore()
  let use = uses.get(socket)
  if (use === undefined) {
    if (context === undefined) return
    // A socket that was made before any request, or a TLS socket around another socket.
    use = new PooledConnection(undefined, '')
    watch(socket, use)
  }
  use.written(context)
}

/**
 * Where a socket connects to.
 * @param argument the first of connect(): net.connect() gives an array with the options in it
 */
function addressOf(argument: unknown): string {
  const options: unknown = Array.isArray(argument) ? argument[0] : argument
  if (typeof options !== 'object' || options === null) return String(options)
  const { path, host, port } = options as { path?: unknown; host?: unknown; port?: unknown }
  return typeof path === 'string' ? path : `${String(host)}:${String(port)}`
}

function watch(socket: Socket, use: PooledConnection): void {
  const isKnown = uses.has(socket)
  uses.set(socket, use)
  if (isKnown) return
  const original = socket.emit.bind(socket) as unknown as (...args: EmitArguments) => boolean
  const emit = (...args: EmitArguments): boolean => emitFor(socket, original, args)
  Object.defineProperty(socket, 'emit', { value: emit, writable: true, configurable: true })
}

function emitFor(socket: InternalSocket, original: (...args: EmitArguments) => boolean, args: EmitArguments): boolean {
  const use = uses.get(socket)
  if (use === undefined || !isWatching || !isMissing(socket._httpMessage)) return original(...args)
  const isRead = args[0] === 'data' || args[0] === 'readable'
  if (isRead) use.read()
  const current = contexts.getStore()
  const context = use.contextOf(current, isRead)
  if (context === undefined || context === current) return original(...args)
  try {
    return contexts.run(context, original, ...args)
  } catch (error) {
    // Node would call `process.emit` for it only after the context was left.
    if (!context.fail(error, 'emitter')) throw error
    return true
  }
}
