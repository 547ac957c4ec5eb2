/**
 * Watches the connections that an app's clients make: who writes to them, and in which context their events run. Node's
 * own HTTP client is left alone: it gives each response the context of its request.
 */
import { Socket } from 'node:net'
import type { Patches } from '../shared/patches.js'
import { contexts, requestContextOf } from './context.js'
import { PooledConnection } from './pooled-connection.js'

type EmitArguments = [name: string | symbol, ...args: unknown[]]

/** Methods with many signatures, all of which are to be replaced. */
interface Replaceable {
  connect(this: Socket, ...args: unknown[]): Socket
  write(this: InternalSocket, ...args: unknown[]): boolean
}

/** What is asked of a socket beside its public face. */
interface InternalSocket extends Socket {
  /** Whose connections it is one of; undefined for those of clients. */
  readonly server?: unknown
  /** The request or response of Node's HTTP that it carries. */
  readonly _httpMessage?: unknown
}

const uses = new WeakMap<Socket, PooledConnection>()
let isWatching = false

/** Begins to watch; `patches` put it back. */
export function watchClientSockets(patches: Patches): void {
  isWatching = true
  patches.replace<Replaceable, 'connect'>(Socket.prototype, 'connect', (original) => {
    const connect = function connect(this: Socket, ...args: unknown[]): Socket {
      // A socket that connects anew belongs to whoever connects it.
      const creator = requestContextOf(contexts.getStore())
      if (creator !== undefined) watch(this, new PooledConnection(creator, addressOf(args[0])))
      return Reflect.apply(original, this, args)
    }
    return connect
  })
  patches.replace<Replaceable, 'write'>(Socket.prototype, 'write', (original) => {
    const write = function write(this: InternalSocket, ...args: unknown[]): boolean {
      if (isMissing(this.server) && isMissing(this._httpMessage)) noteWrite(this)
      return Reflect.apply(original, this, args)
    }
    return write
  })
}

/** Sockets that are known already pass their events on unwatched. */
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
    // Made before there was any request, or a TLS socket around another one.
    use = new PooledConnection(undefined, '')
    watch(socket, use)
  }
  use.written(context)
}

/** Where it connects to, by the arguments of connect(): one object in an array, as net.connect() has it, or as the app gives it. */
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
    // The exception is heard of after the context was left.
    if (!context.fail(error, 'emitter')) throw error
    return true
  }
}
