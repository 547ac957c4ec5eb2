/** Loads the app that a module exports, with no change to the module. */
import type { RequestListener } from 'node:http'
import { Server } from 'node:http'
import { readFileSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { extname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { types } from 'node:util'
import { codeOf } from '../../shared/errors.js'
import { FastCgiError } from '../errors.js'

/** Exports that may be the app, in this order. CommonJS: `module.exports` comes as `default`. */
const EXPORTS = ['default', 'app', 'handler'] as const
/** What Node adds to the exports of CommonJS. */
const ADDED_EXPORTS: ReadonlySet<string> = new Set(['module.exports', '__esModule'])
const TYPESCRIPT = new Set(['.ts', '.mts', '.cts', '.tsx'])
/** A `(req, res)` function has at least these two parameters; what has fewer, and is no app, makes one. */
const LISTENER_PARAMETERS = 2
/** So many exports, or keys of an object, are named in a message. */
const MOST_NAMED = 5

/**
 * The file that a module's name means: a path, as `node` would find it, or a package.
 *
 * @param directory what relative paths are relative to
 * @throws FastCgiError ERR_FCGI_APP
 */
export function findModule(name: string, directory: string): string {
  const path = resolve(directory, name)
  const require = createRequire(pathToFileURL(`${directory}/`))
  for (const candidate of [path, name]) {
    try {
      return require.resolve(candidate)
    } catch (error) {
      if (statsOf(path)?.isFile() === true) return path
      if (codeOf(error) !== 'MODULE_NOT_FOUND') throw notFound(name, path, error)
    }
  }
  throw notFound(name, path)
}

function statsOf(path: string): ReturnType<typeof statSync> {
  try {
    return statSync(path, { throwIfNoEntry: false })
  } catch {
    // A file where the path wants a directory, or one that this user may not enter.
    return undefined
  }
}

function notFound(name: string, path: string, cause?: unknown): FastCgiError {
  const isDirectory = statsOf(path)?.isDirectory() === true
  const reason = isDirectory ? ` is a directory ${lackOf(path)}` : ''
  return new FastCgiError('ERR_FCGI_APP',
    isDirectory ? `'${name}'${reason}. Name the file that exports the app.` : `there is no module '${name}' (${path}). Name the file that exports the app.`, { cause })
}

/** Why a directory is no module. */
function lackOf(directory: string): string {
  const file = join(directory, 'package.json')
  try {
    const { main } = JSON.parse(readFileSync(file, 'utf8')) as { main?: unknown }
    return typeof main === 'string' ? `whose package.json has "main": "${main}", and there is no such file` : 'without an index.js, and its package.json has no "main"'
  } catch (error) {
    return codeOf(error) === 'ENOENT' ? 'without package.json and index.js' : `whose package.json cannot be read (${codeOf(error) ?? 'it is no JSON'})`
  }
}

/**
 * Loads the app: the default export, `app`, `handler`, `module.exports`, or what a function there returns. Each may be a promise.
 *
 * @param file an absolute path
 * @param onLoaded is called when the module has been loaded, and only the app is still to be made
 * @throws FastCgiError ERR_FCGI_APP where the module has no app; what the module itself throws, as it is
 */
export async function loadApp(file: string, onLoaded: () => void = () => undefined): Promise<RequestListener> {
  if (TYPESCRIPT.has(extname(file))) refuseUnlessTypeScript(file)
  const loaded = await import(pathToFileURL(file).href) as Readonly<Record<string, unknown>>
  onLoaded()
  const candidates = candidatesOf(loaded)
  const app = candidates.find(isApp)
  if (app !== undefined) return app
  const factory = candidates.find(isFactory)
  const promise = candidates.find((candidate) => types.isPromise(candidate))
  if (factory === undefined && promise === undefined) throw noApp(file, `it ${exportsOf(loaded)}`, Object.values(loaded), !('default' in loaded))
  const made: unknown = factory === undefined ? await promise : await Reflect.apply(factory, undefined, [])
  const found = candidatesOf({ default: made }).find(isApp)
  if (found !== undefined) return found
  const from = factory === undefined ? 'the promise that it exports gave' : `its function ${factory.name === '' ? '' : `'${factory.name}' `}returned`
  throw noApp(file, `${from} ${describe(made)}`, [made])
}

/** The values that may be the app. A transpiled module has its exports once more in its default export. */
function candidatesOf(exports: Readonly<Record<string, unknown>>): unknown[] {
  const inner = exports['default']
  const nested = typeof inner === 'object' && inner !== null ? EXPORTS.map((name): unknown => Reflect.get(inner, name)) : []
  return [...EXPORTS.map((name) => exports[name]), ...nested]
}

/** An Express app, or a function that takes request and response. Node's `http.Server` is none. */
function isApp(value: unknown): value is RequestListener {
  if (typeof value !== 'function' || mistakeOf(value) !== undefined) return false
  const isExpress = typeof Reflect.get(value, 'handle') === 'function' && typeof Reflect.get(value, 'use') === 'function'
  return isExpress || value.length >= LISTENER_PARAMETERS
}

/** A function that may make an app. */
function isFactory(value: unknown): value is () => unknown {
  return typeof value === 'function' && mistakeOf(value) === undefined
}

interface Mistake {
  readonly what: string
  readonly remedy: string
}

/** What is exported in place of an app that it could make; undefined where it is nothing known. */
function mistakeOf(value: unknown): Mistake | undefined {
  if (value instanceof Server) {
    return { what: value.listening ? 'an http.Server that listens' : 'an http.Server', remedy: 'Export the app that it was made with.' }
  }
  if (typeof value !== 'function') return undefined
  const member = (name: string): unknown => Reflect.get(value, name)
  if (/^class\b/.test(Function.prototype.toString.call(value))) {
    return { what: `the class ${value.name}`, remedy: 'Export an app: what the class makes, or a function that makes it.' }
  }
  if (typeof member('Router') === 'function' && typeof member('application') === 'object') return { what: 'express itself', remedy: 'Export what express() returns.' }
  if (Array.isArray(member('stack')) && typeof member('handle') === 'function' && typeof member('listen') !== 'function') {
    return { what: 'an express.Router', remedy: 'Export an app that uses it: express().use(router).' }
  }
  return undefined
}

/** The exports in words. */
function exportsOf(loaded: Readonly<Record<string, unknown>>): string {
  const { default: whole } = loaded
  const mistake = mistakeOf(whole)
  if (mistake !== undefined) return `exports ${mistake.what}`
  // CommonJS: the default export has the others in it.
  const inside = typeof whole === 'object' && whole !== null ? new Set(Object.keys(whole)) : new Set<string>()
  const entries = Object.entries(loaded).filter(([name, value]) => !ADDED_EXPORTS.has(name) && !inside.has(name) && !(name === 'default' && isEmptyObject(value)))
  return entries.length === 0 ? 'exports nothing' : `exports ${listed(entries.map(([name, value]) => `${name}: ${describe(value)}`))}`
}

function isEmptyObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype && Object.keys(value).length === 0
}

function describe(value: unknown): string {
  const mistake = mistakeOf(value)
  if (mistake !== undefined) return mistake.what
  if (typeof value === 'function') return `a function with ${String(value.length)} ${value.length === 1 ? 'parameter' : 'parameters'}`
  if (typeof value === 'string') return 'a string'
  if (value === null || typeof value !== 'object') return String(value)
  const keys = Object.keys(value)
  return keys.length === 0 ? 'an empty object' : `an object with ${listed(keys)}`
}

function listed(words: readonly string[]): string {
  return `${words.slice(0, MOST_NAMED).join(', ')}${words.length > MOST_NAMED ? ', …' : ''}`
}

/** @param isEsModule where that is known: the remedy names the right line */
function noApp(file: string, reason: string, values: readonly unknown[], isEsModule = false): FastCgiError {
  const remedy = values.map(mistakeOf).find((mistake) => mistake !== undefined)?.remedy ??
    `Write ${isEsModule ? 'export default app' : 'module.exports = app, or export default app,'} at its end, or export a function that makes the app; app.listen() is not needed.`
  return new FastCgiError('ERR_FCGI_APP', `${file} exports no app: ${reason}. ${remedy}`)
}

/**
 * Checks that this Node loads TypeScript, or has been taught to.
 *
 * @throws FastCgiError ERR_FCGI_APP
 */
function refuseUnlessTypeScript(file: string): void {
  const strips = Reflect.get(process.features, 'typescript') !== undefined && Reflect.get(process.features, 'typescript') !== false
  const hasLoader = [...process.execArgv, process.env['NODE_OPTIONS'] ?? ''].some((argument) => /(?:--import|--require|-r|--loader|--experimental-loader)\b/.test(argument))
  if ((strips && extname(file) !== '.tsx') || hasLoader) return
  throw new FastCgiError('ERR_FCGI_APP', `Node.js ${process.version} cannot load ${file}: name the JavaScript that it is compiled to, or ` +
    `${strips ? '' : 'take Node.js 22.18 or later, or '}set NODE_OPTIONS='--import tsx', with tsx installed beside the app.`)
}
