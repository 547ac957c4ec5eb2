/** The gateway's options: what a caller may say, resolved once into what the rest of gateway/ reads. */
import type { IncomingMessage } from 'node:http'
import { FastCgiError, optionChecks } from '../errors.js'

/** Options of {@link gateway}; undefined means absent. */
export interface GatewayOptions {
  /**
   * Params to add to those that nginx would send, or to put in their place; `undefined` leaves one out. An object, or a
   * function of the request. The characters of names and values are bytes (latin1).
   * @defaultValue none
   */
  params?: GatewayParams | ((req: IncomingMessage) => GatewayParams) | undefined
  /**
   * Whether connections to the app are kept (FCGI_KEEP_CONN) and used again.
   * @defaultValue `true`
   */
  keepConnection?: boolean | undefined
  /**
   * How many idle connections are kept, at most.
   * @defaultValue `64`
   */
  idleConnections?: number | undefined
  /**
   * Milliseconds that the app may keep the gateway waiting between two reads or writes, as nginx's `fastcgi_read_timeout`
   * and `fastcgi_send_timeout`. 0: no limit. Over it: 504.
   * @defaultValue `60000`
   */
  timeout?: number | undefined
  /**
   * The head of a response, in bytes, at most.
   * @defaultValue `65536`
   */
  headBytes?: number | undefined
}

/** FastCGI params by name. */
export type GatewayParams = Readonly<Record<string, string | undefined>>

/** Options as gateway/ reads them: nothing is absent. */
export interface ResolvedOptions {
  params: (req: IncomingMessage) => GatewayParams
  keepConnection: boolean
  idleConnections: number
  timeout: number
  headBytes: number
  /** DOCUMENT_ROOT: the directory that the process was in when the gateway was made. */
  documentRoot: string
}

const NAMES = ['params', 'keepConnection', 'idleConnections', 'timeout', 'headBytes'] as const
const checks = optionChecks('gateway')

/**
 * Resolves a caller's options.
 *
 * @throws FastCgiError ERR_FCGI_OPTION where one is wrong.
 */
export function resolveOptions(given?: GatewayOptions): ResolvedOptions {
  const options = checks.object<GatewayOptions>('options', given, NAMES)
  const { params = {} } = options
  // A caller without types may pass anything.
  if (typeof params !== 'function' && (typeof params !== 'object' || (params as unknown) === null)) {
    throw checks.wrong('params', params, 'give an object of params, or a function that makes one of a request')
  }
  return {
    params: typeof params === 'function' ? params : () => params,
    keepConnection: checks.flag('keepConnection', options.keepConnection ?? true),
    idleConnections: checks.wholeNumber('idleConnections', options.idleConnections ?? 64, 0),
    timeout: checks.wholeNumber('timeout', options.timeout ?? 60_000, 0),
    headBytes: checks.wholeNumber('headBytes', options.headBytes ?? 65_536, 0),
    documentRoot: process.cwd(),
  }
}

/** The error for what a function that is the option `params` has thrown. */
export function paramsFailure(cause: unknown): FastCgiError {
  return new FastCgiError('ERR_FCGI_OPTION', `gateway: option params throws: ${String(cause)}`, { cause })
}
