/**
 * What parts of a process tell of themselves to those who ask how it is. A source is registered by its name, and is asked only
 * when somebody looks. lib and middleware meet here, because neither imports the other; and a process may have loaded the
 * package twice, so the sources are kept by the process.
 */

/** Tells the present state as a value that JSON can carry. It is called when somebody asks, and may throw. */
export type StatusSource = () => unknown

const REGISTRY = Symbol.for('express-responder.status-sources')

function sourcesOfProcess(): Map<string, Set<StatusSource>> {
  const present: unknown = Reflect.get(globalThis, REGISTRY)
  if (present instanceof Map) return present as Map<string, Set<StatusSource>>
  const made = new Map<string, Set<StatusSource>>()
  Reflect.set(globalThis, REGISTRY, made)
  return made
}

/**
 * Registers a source; several may have one name.
 *
 * @returns a function that takes it back
 */
export function addStatusSource(name: string, source: StatusSource): () => void {
  const sources = sourcesOfProcess()
  const named = sources.get(name) ?? new Set()
  sources.set(name, named.add(source))
  return () => {
    named.delete(source)
    if (named.size === 0) sources.delete(name)
  }
}

/** What all sources tell: a list by each name. A source that throws tells `{ error }`. */
export function readStatusSources(): Record<string, unknown[]> {
  return Object.fromEntries([...sourcesOfProcess()].map(([name, sources]) => [name, [...sources].map(ask)]))
}

function ask(source: StatusSource): unknown {
  try {
    return source()
  } catch (error) {
    return { error: String(error) }
  }
}
