/** The options of serve(): what the user gave becomes one resolved configuration, and what is wrong fails at once. */
import { resolve } from 'node:path'
import { FastCgiError } from '../server/errors.js'
import { checkNames, wholeNumber, wrongOption } from '../server/option-checks.js'
import { SERVER_OPTION_NAMES, type ServerOptions } from '../server/options.js'

/** As many as Node.js itself asks for. */
const DEFAULT_BACKLOG = 511
/** Listening on an inherited socket sets its backlog anew: not to be lower than systemd's own default. */
const DEFAULT_INHERITED_BACKLOG = 4096

/**
 * Where to listen and how to stop. Give `socket`, or `port`, or `fd`; with none of them the process must have
 * inherited a listening socket: systemd's LISTEN_FDS, or descriptor 0 from spawn-fcgi, mod_fcgid or lighttpd.
 * All options of createServer may be given, too.
 */
export interface ServeOptions extends ServerOptions {
  /** The path of a Unix socket file, at most 107 bytes when made absolute. */
  socket?: string | undefined
  /** The socket file's permission bits, as a number (0o660) or as octal digits ('0660'). Default 0o660. */
  mode?: number | string | undefined
  /** The socket file's owner, by name or number. Default: the process's user. */
  owner?: string | number | undefined
  /** The socket file's group, by name or number. Default: the process's group. */
  group?: string | number | undefined
  /** A TCP port, 0–65535; 0 takes any that is free. */
  port?: number | undefined
  /** The address for `port`. Default 127.0.0.1: FastCGI knows no passwords, so nothing else is open by default. */
  host?: string | undefined
  /** An inherited descriptor: its number, or its name in systemd's LISTEN_FDNAMES. */
  fd?: number | string | undefined
  /** Connections that the kernel holds until they are accepted. Default 511, 4096 for inherited sockets. */
  backlog?: number | undefined
  /** How long a stop waits for requests in flight, in milliseconds, before it ends them. Default 10000. */
  stopTimeout?: number | undefined
  /**
   * Whether SIGINT and SIGTERM stop the server and then end the process: with status 0, or at once with 128 plus the
   * signal's number when a second one comes. Default true.
   */
  signals?: boolean | undefined
}

/** Where to listen. */
export type Place =
  | {
    readonly kind: 'socket'
    readonly path: string
    readonly mode: number
    readonly owner: string | number | undefined
    readonly group: string | number | undefined
    readonly backlog: number
  }
  | { readonly kind: 'tcp', readonly host: string, readonly port: number, readonly backlog: number }
  | { readonly kind: 'inherited', readonly fd: number | string | undefined, readonly backlog: number }

/** The resolved configuration: nothing downstream knows a default. */
export interface ServeConfiguration {
  readonly place: Place
  readonly stopTimeout: number
  readonly signals: boolean
  /** What is createServer's: it resolves that itself. */
  readonly server: ServerOptions
}

/**
 * Resolves the options.
 * @throws FastCgiError ERR_FCGI_OPTION naming option, value and remedy
 */
export function resolveOptions(options: ServeOptions = {}): ServeConfiguration {
  // A caller without types may pass anything.
  const given: unknown = options
  if (typeof given !== 'object' || given === null) {
    throw wrongOption('options', given, 'give an object, for example { socket: \'/run/app/app.sock\' }')
  }
  checkNames('options', options, [...OWN_NAMES, ...SERVER_OPTION_NAMES])
  const { socket, mode, owner, group, port, host, fd, backlog, stopTimeout, signals, ...server } = options
  return {
    place: resolvePlace({ socket, mode, owner, group, port, host, fd, backlog }),
    stopTimeout: wholeNumber('stopTimeout', stopTimeout ?? 10_000, 0, 2 ** 31 - 1),
    signals: boolean('signals', signals ?? true),
    server,
  }
}

const OWN_NAMES = ['socket', 'mode', 'owner', 'group', 'port', 'host', 'fd', 'backlog', 'stopTimeout', 'signals']

function resolvePlace(options: ServeOptions): Place {
  const places = (['socket', 'port', 'fd'] as const).filter((name) => options[name] !== undefined)
  if (places.length > 1) {
    throw new FastCgiError('ERR_FCGI_OPTION',
      `options ${places.join(' and ')}: a server listens in one place. Give one of socket, port and fd.`)
  }
  refuseStrays(options)
  const inherited = options.socket === undefined && options.port === undefined
  const usual = inherited ? DEFAULT_INHERITED_BACKLOG : DEFAULT_BACKLOG
  const backlog = wholeNumber('backlog', options.backlog ?? usual, 1, 2 ** 31 - 1)
  if (options.socket !== undefined) {
    return {
      kind: 'socket',
      path: socketPath(options.socket),
      mode: fileMode(options.mode ?? 0o660),
      owner: account('owner', options.owner),
      group: account('group', options.group),
      backlog,
    }
  }
  if (options.port !== undefined) {
    return {
      kind: 'tcp',
      host: text('host', options.host ?? '127.0.0.1', 'give an address such as \'127.0.0.1\' or \'::1\''),
      port: wholeNumber('port', options.port, 0, 65535),
      backlog,
    }
  }
  return { kind: 'inherited', fd: descriptor(options.fd), backlog }
}

/** An option that would be ignored is a mistake that somebody should hear of. */
function refuseStrays(options: ServeOptions): void {
  for (const [name, needed] of [['mode', 'socket'], ['owner', 'socket'], ['group', 'socket'], ['host', 'port']] as const) {
    if (options[name] !== undefined && options[needed] === undefined) {
      throw wrongOption(name, options[name], `it has a meaning only together with option ${needed}`)
    }
  }
}

function socketPath(value: unknown): string {
  const path = text('socket', value, 'give the path of a socket file, such as \'/run/app/app.sock\'')
  if (path.includes('\0')) throw wrongOption('socket', value, 'a path cannot contain NUL')
  if (path.endsWith('/')) throw wrongOption('socket', value, 'name the socket file in that directory, too')
  return resolve(path)
}

function fileMode(value: unknown): number {
  const mode = typeof value === 'string' && /^(0o?)?[0-7]{3}$/.test(value) ? Number.parseInt(value.slice(-3), 8) : value
  if (typeof mode !== 'number' || !Number.isInteger(mode) || mode < 0 || mode > 0o777) {
    throw wrongOption('mode', value, 'give permission bits as 0o660 or \'0660\'')
  }
  return mode
}

function account(name: 'owner' | 'group', value: unknown): string | number | undefined {
  if (value === undefined) return undefined
  if (typeof value === 'number') return wholeNumber(name, value, 0, 2 ** 32 - 2)
  return text(name, value, `give the name or the number of the ${name}`)
}

function descriptor(value: unknown): number | string | undefined {
  if (value === undefined) return undefined
  if (typeof value === 'number') return wholeNumber('fd', value, 0, 2 ** 31 - 1)
  return text('fd', value, 'give the number of an inherited descriptor, or its name in LISTEN_FDNAMES')
}

function text(name: string, value: unknown, remedy: string): string {
  if (typeof value !== 'string' || value === '') throw wrongOption(name, value, remedy)
  return value
}

function boolean(name: string, value: unknown): boolean {
  if (typeof value !== 'boolean') throw wrongOption(name, value, 'give true or false')
  return value
}
