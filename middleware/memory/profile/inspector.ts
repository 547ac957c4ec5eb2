/**
 * Sessions of V8's inspector. `node:inspector/promises` is asked for when it is used: a module that imports it cannot be
 * linked by a Node.js that has none (18), which could then not be told what it lacks.
 */
import type { Session } from 'node:inspector/promises'

/** A session that is not connected yet. */
export function createSession(): Session {
  const { Session } = process.getBuiltinModule('node:inspector/promises')
  return new Session()
}
