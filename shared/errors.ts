/**
 * `ExpressResponderError`, the base of all errors of this package, and the address of the page that explains each code.
 */

/** Where the documentation is: in the package. May become a URL that ends with a slash. */
export const DOCUMENTATION = 'express-responder/docs/'

/**
 * The mark of this package's errors. It is a registered symbol, and so the same in all copies of the package in a
 * process.
 */
const IS_OURS = Symbol.for('express-responder.error')

/**
 * The base of all errors that this package makes; every entry exports it. `code` is stable, `message` is for people and
 * ends with the address of the heading that explains the code.
 *
 * `instanceof` also knows errors that have to be a TypeError besides, and those of another copy of this package.
 *
 * @example if (error instanceof ExpressResponderError) console.error(error.code)
 */
export class ExpressResponderError extends Error {
  readonly code: string

  /**
   * @param code one of the codes in docs/reference/errors.md and middleware-errors.md
   * @param message for people, without the address
   */
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(withAddress(code, message), options)
    this.name = 'ExpressResponderError'
    this.code = code
  }

  /** The base is asked by the mark, subclasses by their prototypes as usual. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    if (this !== ExpressResponderError) return Function.prototype[Symbol.hasInstance].call(this, value)
    return typeof value === 'object' && value !== null && IS_OURS in value
  }
}

/**
 * For a class that extends another error, such as TypeError: makes its errors `instanceof ExpressResponderError`, too.
 */
export function markAsOurs({ prototype }: { readonly prototype: Error & { readonly code: string } }): void {
  Object.defineProperty(prototype, IS_OURS, { value: true })
}

markAsOurs(ExpressResponderError)

/** The addresses by code, made once: some errors are made for every request that is turned away. */
const addresses = new Map<string, string>()

/** The address of the page and heading that explain a code. */
export function addressOf(code: string): string {
  const known = addresses.get(code)
  if (known !== undefined) return known
  const page = code.startsWith('ERR_FCGI_') || code === 'EADDRINUSE' ? 'errors' : 'middleware-errors'
  const address = `${DOCUMENTATION}reference/${page}.md#${code.toLowerCase()}`
  // Bounded: an app may make up codes without end.
  if (addresses.size < 1000) addresses.set(code, address)
  return address
}

/** The address of another code, where a message ends with another error's. */
const OTHER_ADDRESS = new RegExp(`\\s+See ${DOCUMENTATION}\\S+$`)

/** A message with the address of its code at the end, and no other one before it. */
export function withAddress(code: string, given: string): string {
  const address = addressOf(code)
  if (given.endsWith(address)) return given
  const message = given.includes(DOCUMENTATION) ? given.replace(OTHER_ADDRESS, '') : given
  // A message of several lines has a stack at its end: the address gets a line of its own.
  if (message.includes('\n')) return `${message}\nSee ${address}`
  return `${message}${'.!?…'.includes(message.charAt(message.length - 1)) ? '' : '.'} See ${address}`
}

/** The code of a thrown value, such as 'ENOENT'; undefined if it has none. */
export function codeOf(error: unknown): string | undefined {
  // Not by instanceof: an error of another realm (node:vm) is no instance of this one's Error.
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}
