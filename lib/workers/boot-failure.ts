/** What a new worker has failed with, in one line: the app's own error, where it was thrown, and what to do. Pure. */
import type { BootPhase, Failure } from './messages.js'

/** The first line of a stack of CommonJS that does not parse: the place. */
const SYNTAX_PLACE = /^(?:file:\/\/)?(\/[^\n]*?:\d+)\n/
/** A frame of the app's; not of Node's. */
const FRAME = /^\s+at .*?(?:\(|\s)(?:file:\/\/)?(\/[^\n()]*?:\d+:\d+)\)?$/gm
/** Frames of this package: the folder that this file is in, two up. */
const OURS = new URL('../..', import.meta.url).pathname

/** What helps for errors that Node gives a code. */
const REMEDIES: Readonly<Record<string, string>> = {
  ERR_REQUIRE_ASYNC_MODULE: 'It awaits at its top level, which require() cannot wait for: load it by await import() in a function that makes the app.',
  ERR_REQUIRE_ESM: 'It is an ES module: load it by await import().',
  ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX: 'Node.js removes types and compiles nothing: name the JavaScript that it is compiled to, or set NODE_OPTIONS=\'--import tsx\'.',
  ERR_UNKNOWN_FILE_EXTENSION: 'Name a file that Node.js loads: .js, .mjs, .cjs, or .ts from Node.js 22.18 on.',
  ERR_IMPORT_ATTRIBUTE_MISSING: 'Name the file that exports the app.',
  ERR_IMPORT_ASSERTION_TYPE_MISSING: 'Name the file that exports the app.',
  EADDRINUSE: 'The app itself listens there, and another process does: take its listen() away, the command listens for it.',
}

/**
 * The failure in words.
 *
 * @param failure what the worker has told
 * @param phase what it did when it failed
 * @param module the module that was to be loaded
 */
export function bootFailure(failure: Failure, phase: BootPhase, module: string): string {
  const { code, message, stack = '' } = failure
  const text = message.replace(/\s*\nRequire stack:\n- ([^\n]*)[^]*/, ' required by $1').replace(/\s+/g, ' ').trim()
  const place = placeOf(stack)
  const isPlaced = place === undefined || /(?:required by|imported from) \//.test(text)
  const shown = isPlaced ? text : `${text} (${place})`
  const what = phase === 'answering' ? 'the app failed at the request that a new worker is tried with' : 'the app could not be loaded'
  return `${what}: ${ended(shown === '' ? 'an error without a message' : shown)} ${remedyFor(code, text, place, module)}`
}

function placeOf(stack: string): string | undefined {
  const syntax = SYNTAX_PLACE.exec(stack)?.[1]
  if (syntax !== undefined) return syntax
  const frames = [...stack.matchAll(FRAME)].map(([, place = '']) => decodeURI(place))
  return frames.find((place) => !place.startsWith(OURS) && !place.includes('/node_modules/')) ?? frames.find((place) => !place.startsWith(OURS))
}

function ended(text: string): string {
  return '.!?…'.includes(text.charAt(text.length - 1)) ? text : `${text}.`
}

function remedyFor(code: string | undefined, text: string, place: string | undefined, module: string): string {
  const remedy = code === undefined ? undefined : REMEDIES[code]
  if (remedy !== undefined) return remedy
  if (code === 'MODULE_NOT_FOUND' || code === 'ERR_MODULE_NOT_FOUND') return missingRemedy(text)
  if (text.includes('import statement outside a module') || text.includes('Unexpected token \'export\'')) return 'Name the file .mjs, or write "type": "module" in package.json.'
  if (/^(?:require|module|exports|__dirname|__filename) is not defined in ES module scope/.test(text)) return 'Name the file .cjs, or use import and export.'
  return place === undefined ? `Run node ${module} to see where.` : 'Mend the app.'
}

function missingRemedy(text: string): string {
  const name = /^Cannot find (?:module|package) '([^']*)'/.exec(text)?.[1] ?? ''
  if (name.startsWith('/') || name.startsWith('.') || name.startsWith('file:')) {
    return /imported from \S*\.[cm]?ts\b/.test(text) && !/\.\w+$/.test(name) ? 'Node.js wants the whole file name: import it with .ts.' : 'Correct the path, or build the app first.'
  }
  const [scope = '', rest] = name.split('/')
  return `Install it beside the app: npm install ${scope.startsWith('@') && rest !== undefined ? `${scope}/${rest}` : scope}.`
}
