/**
 * One full collection, forced. V8's own `gc()`, which is there for who asks for it: the inspector's collectGarbage tells V8 that
 * memory is low, which is two collections one after the other, and twice as long in which nothing else runs.
 */
import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { createSession } from './inspector.js'
import { SamplingError } from './heap-sampler.js'

let collectOnce: (() => void) | undefined

/**
 * Stops everything while it lasts: 0.05 to some seconds, by the size of the live heap.
 * @throws SamplingError where V8 has no `gc()` and the inspector may not be used either
 */
export async function collectGarbage(): Promise<void> {
  // What the calling functions hold on the stack would count as alive.
  await setImmediate()
  collectOnce ??= exposed()
  if (collectOnce === undefined) await tellThatMemoryIsLow()
  else collectOnce()
}

/** A context that is made while V8's flag is set has `gc()`. Those that are made later have not: the flag is put back. */
function exposed(): (() => void) | undefined {
  const given = globalThis.gc ?? collectorOfNewContext()
  if (given !== undefined) return () => { given() }
  try {
    setFlagsFromString('--expose-gc')
    return collectorOfNewContext()
  } finally {
    setFlagsFromString('--no-expose-gc')
  }
}

function collectorOfNewContext(): (() => void) | undefined {
  const found: unknown = runInNewContext('typeof gc === "function" ? gc : undefined')
  return typeof found === 'function' ? () => { (found as () => void)() } : undefined
}

async function tellThatMemoryIsLow(): Promise<void> {
  const session = createSession()
  try {
    session.connect()
    await session.post('HeapProfiler.collectGarbage')
  } catch (error) {
    throw new SamplingError(`a collection cannot be forced: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  } finally {
    session.disconnect()
  }
}
