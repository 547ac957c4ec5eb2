/** The options of serve(): what the user gave becomes one resolved configuration, and what is wrong fails at once. */
import { resolve } from 'node:path'
import { optionChecks } from '../errors.js'
import { DEFAULT_BACKLOG } from '../server/listen-arguments.js'
import { resolveServerOptions, SERVER_OPTION_NAMES, type ServerOptions } from '../server/options.js'

const MAX_PORT = 65535
const checks = optionChecks('serve')

/**
 * Where to listen and how to stop. Give `socket`, or `port`, or `fd`; with none of them the process must have
 * inherited a listening socket: systemd's LISTEN_FDS, or descriptor 0 from spawn-fcgi, mod_fcgid or lighttpd.
 * All options of createServer may be given, too.
 */
export interface ServeOptions extends ServerOptions {
  /**
   * The path of a Unix socket file, at most 107 bytes when made absolute.
   * @defaultValue none
   */
  socket?: string | undefined
  /**
   * The permission bits of the socket file, as a number or as digits: `'0660'`. Connecting needs the write bit.
   * @defaultValue `0o660`
   */
  mode?: number | string | undefined
  /**
   * The owner of the socket file, by name or number. Only root may set it.
   * @defaultValue the process's user
   */
  owner?: string | number | undefined
  /**
   * The group of the socket file, by name or number, such as `'www-data'`. A user other than root must belong to it.
   * @defaultValue the process's group
   */
  group?: string | number | undefined
  /**
   * `true`: takes the name of a live socket from the process that serves there, in one step and without a gap. Stop that
   * process then: it answers what it has, and leaves the name alone. `false`: a live socket is EADDRINUSE.
   * @defaultValue `false`
   */
  replace?: boolean | undefined
  /**
   * A TCP port, 0 to 65535, as a number or as text (`process.env.PORT`). 0 takes one that is free.
   * @defaultValue none
   */
  port?: number | string | undefined
  /**
   * The address for `port`. FastCGI knows no passwords: do not open it to a network.
   * @defaultValue `'127.0.0.1'`
   */
  host?: string | undefined
  /**
   * An inherited descriptor: its number, or its name (systemd's `FileDescriptorName=`).
   * @defaultValue none
   */
  fd?: number | string | undefined
  /**
   * Connections that the kernel holds until they are accepted, or `net.core.somaxconn` if that is less. When it is full,
   * web servers answer 502 at once.
   * @defaultValue `4096`
   */
  backlog?: number | undefined
  /**
   * Milliseconds that a stop waits for requests in flight before it cuts them off.
   * @defaultValue `10000`
   */
  stopTimeout?: number | undefined
  /**
   * Whether SIGINT and SIGTERM stop the server and then end the process with status 0. Another signal more than 100 ms
   * later ends it at once, with 128 plus the signal's number. `false`: call `stop()` yourself.
   * @defaultValue `true`
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
    readonly replace: boolean
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
export function resolveOptions(given?: ServeOptions): ServeConfiguration {
  const options = checks.object<ServeOptions>('options', given, [...OWN_NAMES, ...SERVER_OPTION_NAMES])
  const { socket, mode, owner, group, replace, port, host, fd, backlog, stopTimeout, signals, ...server } = options
  // createServer() resolves them again. They are checked here too, so that messages name serve(), which was called.
  resolveServerOptions(server, process.env, 'serve')
  return {
    place: resolvePlace({ socket, mode, owner, group, replace, port, host, fd, backlog }),
    stopTimeout: checks.wholeNumber('stopTimeout', stopTimeout ?? 10_000, 0, 2 ** 31 - 1),
    signals: checks.flag('signals', signals ?? true),
    server,
  }
}

const OWN_NAMES = ['socket', 'mode', 'owner', 'group', 'replace', 'port', 'host', 'fd', 'backlog', 'stopTimeout', 'signals'] as const

function resolvePlace(options: ServeOptions): Place {
  const places = (['socket', 'port', 'fd'] as const).filter((name) => options[name] !== undefined)
  if (places.length > 1) {
    throw checks.refused(`options ${places.join(' and ')}: a server listens in one place. Give one of socket, port and fd.`)
  }
  refuseStrays(options)
  const backlog = checks.wholeNumber('backlog', options.backlog ?? DEFAULT_BACKLOG, 1, 2 ** 31 - 1)
  if (options.socket !== undefined) {
    return {
      kind: 'socket',
      path: socketPath(options.socket),
      mode: fileMode(options.mode ?? 0o660),
      owner: account('owner', options.owner),
      group: account('group', options.group),
      backlog,
      replace: checks.flag('replace', options.replace ?? false),
    }
  }
  if (options.port !== undefined) {
    return {
      kind: 'tcp',
      host: checks.text('host', options.host ?? '127.0.0.1', 'give an address such as \'127.0.0.1\' or \'::1\''),
      port: portNumber(options.port),
      backlog,
    }
  }
  return { kind: 'inherited', fd: descriptor(options.fd), backlog }
}

const STRAYS = [['mode', 'socket'], ['owner', 'socket'], ['group', 'socket'], ['replace', 'socket'], ['host', 'port']] as const

/** Throws for an option that would have no effect: it is a mistake. */
function refuseStrays(options: ServeOptions): void {
  for (const [name, needed] of STRAYS) {
    if (options[name] !== undefined && options[needed] === undefined) {
      throw checks.wrong(name, options[name], `it has a meaning only together with option ${needed}`)
    }
  }
}

/** How web servers write that an address is a socket's path: nginx and Apache, Caddy, HAProxy; and as a URL. */
const PATH_PREFIX = /^(?:unix:(?:\/\/(?=\/))?|unix\/(?=\/)|unix@|file:\/\/(?=\/))/
const NAMED_PIPE = /^[\\/]{2}[.?][\\/]pipe[\\/]/

function socketPath(value: unknown): string {
  const path = checks.text('socket', value, 'give the path of a socket file, such as \'/run/app/app.sock\'')
  const prefix = PATH_PREFIX.exec(path)?.[0]
  if (prefix !== undefined) throw checks.wrong('socket', value, `give the path alone, '${path.slice(prefix.length)}'`)
  if (NAMED_PIPE.test(path)) throw checks.wrong('socket', value, 'give the path of a Unix socket; named pipes carry no FastCGI here')
  if (/^\d+$/.test(path)) throw checks.wrong('socket', value, `give { port: ${path} }, or './${path}' for a file of that name`)
  const [, host, port] = /^(?:tcp:\/\/)?([\w.-]+|\[[\da-f:]+\]):(\d+)$/i.exec(path) ?? []
  if (host !== undefined && port !== undefined) {
    throw checks.wrong('socket', value, `give { host: '${host.replace(/[[\]]/g, '')}', port: ${port} } to listen on TCP`)
  }
  if (path.includes('\0')) throw checks.wrong('socket', value, 'a path cannot contain NUL')
  if (path.endsWith('/')) throw checks.wrong('socket', value, 'name the socket file in that directory, too')
  return resolve(path)
}

/** The environment gives numbers as text, and hosts that put a path there mean a socket. */
function portNumber(value: unknown): number {
  if (typeof value !== 'string') return checks.wholeNumber('port', value, 0, MAX_PORT)
  if (NAMED_PIPE.test(value)) throw checks.wrong('port', value, 'give a number from 0 to 65535; named pipes carry no FastCGI here')
  if (value.includes('/')) throw checks.wrong('port', value, `give { socket: '${value.replace(PATH_PREFIX, '')}' } for the path of a socket`)
  if (!/^\s*\d+\s*$/.test(value)) throw checks.wrong('port', value, 'give a number from 0 to 65535')
  const port = Number(value)
  if (port > MAX_PORT) throw checks.wrong('port', value, 'give a number from 0 to 65535')
  return port
}

function fileMode(value: unknown): number {
  const mode = typeof value === 'string' && /^(0o?)?[0-7]{3}$/.test(value) ? Number.parseInt(value.slice(-3), 8) : value
  if (typeof mode !== 'number' || !Number.isInteger(mode) || mode < 0 || mode > 0o777) {
    throw checks.wrong('mode', value, 'give permission bits as 0o660 or \'0660\'')
  }
  return mode
}

function account(name: 'owner' | 'group', value: unknown): string | number | undefined {
  if (value === undefined) return undefined
  if (typeof value === 'number') return checks.wholeNumber(name, value, 0, 2 ** 32 - 2)
  return checks.text(name, value, `give the name or the number of the ${name}`)
}

function descriptor(value: unknown): number | string | undefined {
  if (value === undefined) return undefined
  if (typeof value === 'number') return checks.wholeNumber('fd', value, 0, 2 ** 31 - 1)
  return checks.text('fd', value, 'give the number of an inherited descriptor, or its name in LISTEN_FDNAMES')
}
