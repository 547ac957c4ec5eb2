/**
 * `callbacks()`: clients and pools that answer by a callback. They call it out of an event of a connection that some
 * other request has made, so it is bound to its request where it is handed over.
 */
import { EventEmitter } from 'node:events'
import { wrongOption } from '../shared/options.js'
import { contexts } from './context.js'
import { bind, emitter } from './shared-emitters.js'

type Method = (this: unknown, ...args: unknown[]) => unknown

const bound = new WeakSet<Method>()

/**
 * Makes the methods of a client or a pool bind the functions they are given to the request that calls them; an emitter
 * that they return binds its listeners. Outside of a request they do what they did.
 *
 * @param client an instance, or a prototype for all instances
 * @param methods names; default: all but those of emitters, those that begin with `_` or a capital, and accessors
 * @throws OptionError where a name is no method of it
 */
export function bindCallbacks<Client extends object>(client: Client, ...methods: string[]): Client {
  if ((typeof client !== 'object' && typeof client !== 'function') || (client as unknown) === null) {
    throw wrongOption('recovery.callbacks', 'client', client, 'give a client, a pool, or the prototype of either')
  }
  for (const name of methods.length === 0 ? methodsOf(client) : methods) {
    const method = (client as Record<string, unknown>)[name]
    if (typeof method !== 'function') throw wrongOption('recovery.callbacks', `methods: ${name}`, method, 'name a method of the client')
    if (!bound.has(method as Method)) replace(client, name, method as Method)
  }
  return client
}

function methodsOf(client: object): string[] {
  const names = new Set<string>()
  for (let target: object | null = client; target !== null && !isOfNode(target); target = Object.getPrototypeOf(target) as object | null) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(target))) {
      if (typeof value === 'function' && name !== 'constructor' && !(name in EventEmitter.prototype) && !/^[_A-Z]/.test(name)) names.add(name)
    }
  }
  return [...names]
}

function isOfNode(target: object): boolean {
  return target === Object.prototype || target === Function.prototype || target === EventEmitter.prototype
}

function replace(client: object, name: string, method: Method): void {
  const replacement: Method = function (...args) {
    if (contexts.getStore() === undefined) return Reflect.apply(method, this, args)
    const result = Reflect.apply(method, this, args.map((arg) => (typeof arg === 'function' ? bind(arg as Method) : arg)))
    return result instanceof EventEmitter && result !== this ? emitter(result) : result
  }
  Object.defineProperty(replacement, 'name', { value: name, configurable: true })
  bound.add(replacement)
  const enumerable = Object.getOwnPropertyDescriptor(client, name)?.enumerable ?? false
  Object.defineProperty(client, name, { value: replacement, writable: true, configurable: true, enumerable })
}
