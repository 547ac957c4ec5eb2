/** Loads the app that a module exports, with no change to the module. */
import type { RequestListener } from 'node:http'
import { Server } from 'node:http'
import { statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { extname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { codeOf } from '../../shared/errors.js'
import { FastCgiError } from '../errors.js'

/** Exports that may be the app, in this order. CommonJS: `module.exports` comes as `default`. */
const EXPORTS = ['default', 'app', 'handler'] as const
const TYPESCRIPT = new Set(['.ts', '.mts', '.cts', '.tsx'])
/** A `(req, res)` function has at least these two parameters; what has fewer, and is no app, makes one. */
const LISTENER_PARAMETERS = 2

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
      if (isFile(path)) return path
      if (codeOf(error) !== 'MODULE_NOT_FOUND') throw notFound(name, path, error)
    }
  }
  throw notFound(name, path)
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true
}

function notFound(name: string, path: string, cause?: unknown): FastCgiError {
  return new FastCgiError('ERR_FCGI_APP', `there is no module '${name}' (${path}). Name the file that exports the app.`, { cause })
}

/**
 * Loads the app: the default export, `app`, `handler`, `module.exports`, or what a function there returns, which may be a promise.
 *
 * @param file an absolute path
 * @throws FastCgiError ERR_FCGI_APP where the module has no app; what the module itself throws, as it is
 */
export async function loadApp(file: string): Promise<RequestListener> {
  if (TYPESCRIPT.has(extname(file))) refuseUnlessTypeScript(file)
  const loaded = await import(pathToFileURL(file).href) as Readonly<Record<string, unknown>>
  const candidates = candidatesOf(loaded)
  const app = candidates.find(isApp)
  if (app !== undefined) return app
  const factory = candidates.find((candidate) => typeof candidate === 'function')
  if (typeof factory === 'function') {
    const made: unknown = await Reflect.apply(factory, undefined, [])
    const found = candidatesOf({ default: made }).find(isApp)
    if (found !== undefined) return found
    throw noApp(file, `its function ${factory.name === '' ? '' : `'${factory.name}' `}returned ${describe(made)}`)
  }
  throw noApp(file, `it exports ${Object.entries(loaded).map(([name, value]) => `${name}: ${describe(value)}`).join(', ') || 'nothing'}`)
}

/** The values that may be the app. A transpiled module has its exports once more in its default export. */
function candidatesOf(exports: Readonly<Record<string, unknown>>): unknown[] {
  const inner = exports['default']
  const nested = typeof inner === 'object' && inner !== null ? EXPORTS.map((name): unknown => Reflect.get(inner, name)) : []
  return [...EXPORTS.map((name) => exports[name]), ...nested]
}

/** An Express app, or a function that takes request and response. Node's `http.Server` is none. */
function isApp(value: unknown): value is RequestListener {
  if (typeof value !== 'function') return false
  const isExpress = typeof Reflect.get(value, 'handle') === 'function' && typeof Reflect.get(value, 'use') === 'function'
  return isExpress || (value.length >= LISTENER_PARAMETERS && !isClass(value))
}

function isClass(value: object): boolean {
  return /^class\b/.test(Function.prototype.toString.call(value))
}

function describe(value: unknown): string {
  if (value instanceof Server) return 'an http.Server (export the app that it was made with)'
  if (value === null || typeof value !== 'object') return typeof value === 'function' ? `a function with ${String(value.length)} parameters` : String(value)
  return Object.keys(value).length === 0 ? 'an empty object' : 'an object'
}

function noApp(file: string, reason: string): FastCgiError {
  return new FastCgiError('ERR_FCGI_APP',
    `${file} exports no app: ${reason}. Export the Express app, or a function that makes it: module.exports = app, or export default app.`)
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
  throw new FastCgiError('ERR_FCGI_APP',
    `Node.js ${process.version} cannot load ${file}: name the JavaScript that it is compiled to, or add --import tsx, with tsx installed beside the app.`)
}
