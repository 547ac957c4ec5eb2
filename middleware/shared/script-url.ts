/**
 * Which script is running, without `import.meta`: that is empty in a CommonJS bundle, and a syntax error once a tool
 * such as Babel has made CommonJS of a module.
 */
import { pathToFileURL } from 'node:url'

/** The URL of the script that calls it, as V8's profiles name it; undefined where V8 knows none. */
export function scriptUrl(): string | undefined {
  const before: unknown = Reflect.get(Error, 'prepareStackTrace')
  const holder: { stack?: unknown } = {}
  try {
    // Whatever the app has put there: only V8's own call sites are wanted, for a moment.
    Error.prepareStackTrace = (_error, callSites) => callSites[0]?.getFileName()
    Error.captureStackTrace(holder, scriptUrl)
    const { stack: name } = holder
    if (typeof name !== 'string') return undefined
    return name.startsWith('file:') ? name : pathToFileURL(name).href
  } finally {
    Reflect.set(Error, 'prepareStackTrace', before)
  }
}
