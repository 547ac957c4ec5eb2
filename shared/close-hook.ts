/**
 * What is called when the socket of a request closes, without a listener for 'close'.
 *
 * Over FastCGI each request has a socket of its own. Listening on it makes a table of listeners, and in recovery's context a
 * function that is bound to it, for every request. So such a socket has a slot for the one who always wants to know: the
 * middleware that is told when a request is over. lib and middleware meet here, because neither imports the other.
 */

/** A registered symbol: parts of the package may be there twice. */
export const CLOSE_HOOK = Symbol.for('express-responder.close-hook')

/** Called with the socket as `this`. It does not throw. */
export type CloseHook<Socket> = (this: Socket) => void

/** A socket that has the slot. */
export interface HookedSocket {
  [CLOSE_HOOK]: CloseHook<object> | undefined
}

/** What can be listened to. */
interface Closing {
  on(event: 'close', listener: (...args: unknown[]) => void): unknown
}

/** What emits. */
interface Emitting {
  emit(event: 'close', hadError: boolean): boolean
}

/** Has `hook` called when the socket closes: by the slot, if it has one that is free, else as a listener. */
export function onClosing<Socket extends Closing>(socket: Socket, hook: CloseHook<Socket>): void {
  if (CLOSE_HOOK in socket && socket[CLOSE_HOOK] === undefined) socket[CLOSE_HOOK] = hook
  else socket.on('close', hook)
}

/** The socket closes: calls what is in the slot, and then the listeners. */
export function emitClose(socket: HookedSocket & Emitting, hadError: boolean): void {
  const hook = socket[CLOSE_HOOK]
  if (hook !== undefined) Reflect.apply(hook, socket, [])
  socket.emit('close', hadError)
}
