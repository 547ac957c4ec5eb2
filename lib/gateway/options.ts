/** The gateway's options: what a caller may say, resolved once into what the rest of gateway/ reads. */
import type { IncomingMessage } from 'node:http'
import { checkNames, wholeNumber, wrongOption } from '../option-checks.js'

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

/**
 * Resolves a caller's options.
 *
 * @throws FastCgiError ERR_FCGI_OPTION where one is wrong.
 */
export function resolveOptions(options: GatewayOptions = {}): ResolvedOptions {
  checkNames('options', options, NAMES)
  const { params = {}, keepConnection = true } = options
  // A caller without types may pass anything.
  const given: unknown = params
  if (typeof given !== 'function' && (typeof given !== 'object' || given === null)) {
    throw wrongOption('params', given, 'give an object of params, or a function that makes one of a request')
  }
  if (typeof keepConnection !== 'boolean') throw wrongOption('keepConnection', keepConnection, 'give true or false')
  return {
    params: typeof params === 'function' ? params : () => params,
    keepConnection,
    idleConnections: wholeNumber('idleConnections', options.idleConnections ?? 64, 0),
    timeout: wholeNumber('timeout', options.timeout ?? 60_000, 0),
    headBytes: wholeNumber('headBytes', options.headBytes ?? 65_536, 0),
    documentRoot: process.cwd(),
  }
}

const NAMES = ['params', 'keepConnection', 'idleConnections', 'timeout', 'headBytes']
