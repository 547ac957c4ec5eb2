/**
 * The request that the running code belongs to, where something in the process knows it: recovery does. lib asks for it when
 * an event loop is stuck. lib and middleware meet here, because neither imports the other; and a process may have loaded the
 * package twice, so what knows is kept by the process.
 */
import type { IncomingMessage } from 'node:http'

/** Tells the request of the running code; undefined where it has none, or is not known. It runs no code of the app. */
export type RunningRequestSource = () => IncomingMessage | undefined

const SOURCE = Symbol.for('express-responder.running-request')

/** From now on `source` is asked; undefined: nobody. */
export function setRunningRequestSource(source: RunningRequestSource | undefined): void {
  Reflect.set(globalThis, SOURCE, source)
}

/** The request that the running code belongs to, if that is known. */
export function findRunningRequest(): IncomingMessage | undefined {
  const source: unknown = Reflect.get(globalThis, SOURCE)
  return typeof source === 'function' ? (source as RunningRequestSource)() : undefined
}
