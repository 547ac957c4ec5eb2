/** Reads the arguments app and options, and recognizes what people often pass by mistake instead of an app. */
import type { RequestListener } from 'node:http'
import { FastCgiError } from '../errors.js'

/** App and options, in whichever order they were given: Node's own createServer() takes the options first. */
export function appAndOptions<Options extends object>(
  one: RequestListener | Options | undefined,
  other: RequestListener | Options | undefined,
): { app: RequestListener | undefined, options: Options | undefined } {
  const [app, options] = isOptions(one) && (other === undefined || typeof other === 'function') ? [other, one] : [one, other]
  const problem = app === undefined ? undefined : mistake(app)
  if (problem !== undefined) throw new FastCgiError('ERR_FCGI_OPTION', problem)
  return { app: app as RequestListener | undefined, options: options as Options | undefined }
}

/** The error of a call that needs an app and was given none. */
export function missingApp(): FastCgiError {
  return new FastCgiError('ERR_FCGI_OPTION', 'the app is undefined: give an Express app or a (req, res) function')
}

/** A plain object: neither an app nor a module that holds one, nor a promise of one. */
function isOptions(given: unknown): given is object {
  return isPlain(given) && !has(given, 'default') && !has(given, 'then')
}

/** Also for objects of another realm, such as a test runner's, whose Object.prototype is another one. */
function isPlain(given: unknown): given is object {
  if (typeof given !== 'object' || given === null) return false
  const prototype: unknown = Object.getPrototypeOf(given)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

/** What is wrong with an app and what to give instead; undefined where nothing is wrong. */
function mistake(app: unknown): string | undefined {
  if (typeof app === 'function') return uncalled(app)
  if (typeof app === 'object' && app !== null) {
    if (has(app, 'then')) return 'the app is a promise: await it first'
    if (has(app, 'default')) return 'the app is a module: give its default export'
  }
  return `the app is ${app === null ? 'null' : typeof app}: give an Express app or a (req, res) function`
}

/** Functions that are no app: express itself, express.Router itself, a class. As an app, none would answer a request. */
function uncalled(app: object): string | undefined {
  if (has(app, 'application') && has(app, 'Router') && has(app, 'static')) {
    return 'the app is express itself: call it, const app = express()'
  }
  const { prototype } = app as { prototype?: unknown }
  const isClass = /^class\b/.test(Function.prototype.toString.call(app))
  // In Express 5 the prototype of express.Router is a function. In Express 4 express.Router is itself the prototype of routers.
  const isRouter = (typeof prototype === 'function' && has(prototype, 'handle')) ||
    (Object.hasOwn(app, 'handle') && (app as { length?: unknown }).length === 1)
  if (isClass || isRouter) return 'the app is a class, or express.Router itself: give what it makes'
  return undefined
}

function has(value: object, name: string): boolean {
  return Reflect.has(value, name)
}
