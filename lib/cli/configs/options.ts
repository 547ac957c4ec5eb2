/** The options of `express-responder config` for a web server: what the user gave becomes one site, and what is wrong fails at once. */
import { isIP } from 'node:net'
import { domainToASCII } from 'node:url'
import { optionChecks } from '../../errors.js'
import type { OptionChecks } from '../../../shared/option-checks.js'
import type { AppAddress, HostPort, Site, StaticFiles } from './site.js'
import { durationMs, sizeBytes } from '../units.js'

/** The options as they come from the command line; their names there are in kebab-case. */
export interface SiteOptions {
  name?: string
  socket?: string
  host?: string
  port?: string
  upstream?: readonly string[]
  serverName?: readonly string[]
  listen?: string
  mount?: string
  static?: string
  staticPath?: string
  bodySize?: string
  headSize?: string
  timeout?: string
  keepConnections?: boolean
  health?: string
}

/** What a web server can do, as far as that decides what may be asked for. */
export interface Abilities {
  /** How many hosts with the app it can share requests among. */
  readonly severalHosts: boolean
  /** Whether it keeps connections where nothing is said. */
  readonly keepsByDefault: boolean
}

const MAX_PORT = 65_535
const MAX_SIZE = 2 ** 40
/** The largest buffer that HAProxy and nginx are given: each connection has one. */
const MAX_HEAD = 1024 ** 2

/**
 * Resolves the options.
 * @param server the web server's name
 * @param abilities what it can do
 * @param given the options
 * @throws FastCgiError ERR_FCGI_OPTION naming option, value and remedy
 */
export function resolveSite(server: string, abilities: Abilities, given: SiteOptions): Site {
  const checks = optionChecks(`config ${server}`)
  const name = siteName(checks, given.name ?? 'app')
  const mount = given.mount === undefined || given.mount === '/' ? '' : urlPath(checks, '--mount', given.mount)
  return {
    name,
    app: appAddress(checks, abilities, given, name),
    serverNames: (given.serverName ?? []).map((each) => serverName(checks, each)),
    listen: listenAddress(checks, given.listen ?? '80'),
    mount,
    staticFiles: staticFiles(checks, given, mount),
    keepConnections: given.keepConnections ?? abilities.keepsByDefault,
    bodyBytes: size(checks, '--body-size', given.bodySize ?? '16MB', 0, MAX_SIZE),
    headBytes: size(checks, '--head-size', given.headSize ?? '32KB', 4096, MAX_HEAD),
    timeoutSeconds: timeout(checks, given.timeout ?? '60s'),
    health: given.health === undefined ? undefined : urlPath(checks, '--health', given.health),
  }
}

/** A name that is one word in every configuration, and in a unit's file name. */
export function siteName(checks: OptionChecks, value: string): string {
  if (/^[a-z](?:[a-z0-9-]{0,30}[a-z0-9])?$/.test(value)) return value
  throw checks.wrong('--name', value, 'give lower-case letters, digits and hyphens, at most 32, such as shop')
}

/** An absolute path of this machine that is safe between double quotes in every configuration. */
export function filePath(checks: OptionChecks, option: string, value: string): string {
  if (!value.startsWith('/')) throw checks.wrong(option, value, 'give an absolute path, such as /srv/app')
  const strange = /[^\p{L}\p{N} ./_+@=~-]/u.exec(value)?.[0]
  if (strange !== undefined) {
    const shown = strange < ' ' || strange === '\x7f' ? 'a control character' : strange
    throw checks.wrong(option, value, `${shown} has a meaning in configurations. Give a path of letters, digits, spaces and . _ - + @ = ~`)
  }
  if (value.split('/').some((part) => part === '.' || part === '..' || part !== part.trim())) {
    throw checks.wrong(option, value, 'give a path without . and .. and without spaces at the ends of a name')
  }
  return value
}

/** The path of a Unix socket file. */
export function socketPath(checks: OptionChecks, value: string): string {
  const path = filePath(checks, '--socket', value)
  if (path.endsWith('/')) throw checks.wrong('--socket', value, 'name the socket file in that directory, too')
  if (Buffer.byteLength(path) > 107) throw checks.wrong('--socket', value, 'give a path of at most 107 bytes: longer ones no socket can have')
  return path
}

/** A length of time in milliseconds. */
export function duration(checks: OptionChecks, option: string, value: string): number {
  const milliseconds = durationMs(value)
  if (milliseconds === undefined) throw checks.wrong(option, value, 'give milliseconds, or a number with a unit, such as 500ms, 30s, 2m or 1h')
  return milliseconds
}

function timeout(checks: OptionChecks, value: string): number {
  const seconds = Math.ceil(duration(checks, '--timeout', value) / 1000)
  // 0 means no limit to some web servers, and 'at once' to others; beyond a day some overflow.
  if (seconds < 1 || seconds > 86_400) throw checks.wrong('--timeout', value, 'give a time from 1s to 24h')
  return seconds
}

function size(checks: OptionChecks, option: string, value: string, least: number, most: number): number {
  const bytes = sizeBytes(value)
  if (bytes === undefined) throw checks.wrong(option, value, 'give bytes, or a number with a unit, such as 512KB, 16MB or 1GB')
  if (bytes < least || bytes > most) throw checks.wrong(option, value, `give a size from ${String(least)} to ${String(most)} bytes`)
  return bytes
}

/** A host name or an IPv4 address, which no configuration takes for more than that. */
const HOST = '[a-z\\d](?:[a-z\\d.-]*[a-z\\d])?'

function appAddress(checks: OptionChecks, abilities: Abilities, given: SiteOptions, name: string): AppAddress {
  const { socket, host, port, upstream } = given
  const places = [socket !== undefined && '--socket', port !== undefined && '--port', upstream !== undefined && '--upstream'].filter((place) => place !== false)
  if (places.length > 1) throw checks.refused(`options ${places.join(' and ')}: the app is in one place. Give one of them.`)
  if (host !== undefined && port === undefined) throw checks.wrong('--host', host, 'it has a meaning only together with --port')
  if (port !== undefined) return { kind: 'tcp', hosts: [{ host: hostName(checks, host ?? '127.0.0.1'), port: portNumber(checks, '--port', port, port) }] }
  if (upstream === undefined) return { kind: 'socket', path: socketPath(checks, socket ?? `/run/${name}/${name}.sock`) }
  if (upstream.length > 1 && !abilities.severalHosts) {
    throw checks.wrong('--upstream', upstream.join(' '), 'give one. nginx, HAProxy, Caddy and lighttpd can share requests among several hosts')
  }
  return { kind: 'tcp', hosts: upstream.map((text) => hostPort(checks, text)) }
}

function hostName(checks: OptionChecks, value: string): string {
  if (isIP(value) === 6 && !value.includes('%')) return value
  if (new RegExp(`^${HOST}$`, 'i').test(value) && !value.includes('..')) return value
  throw checks.wrong('--host', value, 'give an address or a name, such as 10.0.0.5 or app.internal')
}

function hostPort(checks: OptionChecks, text: string): HostPort {
  const [, six, host = six, port] = new RegExp(`^(?:\\[([\\da-f:.]+)\\]|(${HOST})):(\\d{1,5})$`, 'i').exec(text) ?? []
  if (host === undefined || (six !== undefined && isIP(six) !== 6) || host.includes('..')) {
    throw checks.wrong('--upstream', text, 'give host:port, such as 10.0.0.5:9000 or [fd00::5]:9000')
  }
  return { host, port: portNumber(checks, '--upstream', text, port) }
}

function portNumber(checks: OptionChecks, option: string, text: string, digits: string | undefined): number {
  const port = Number(digits)
  if (digits !== undefined && /^\d{1,5}$/.test(digits) && port >= 1 && port <= MAX_PORT) return port
  throw checks.wrong(option, text, 'give a port from 1 to 65535')
}

function listenAddress(checks: OptionChecks, text: string): Site['listen'] {
  const [, six, four, port] = /^(?:(?:\[([\da-f:.]+)\]|([\d.]+|\*)):)?(\d{1,5})$/i.exec(text) ?? []
  const host = six ?? (four === '*' ? undefined : four)
  if (port === undefined || (six !== undefined && isIP(six) !== 6) || (host === four && host !== undefined && isIP(host) !== 4)) {
    throw checks.wrong('--listen', text, 'give a port, or an address and a port, such as 8080, 127.0.0.1:8080 or [::1]:8080')
  }
  return { host, port: portNumber(checks, '--listen', text, port) }
}

function serverName(checks: OptionChecks, text: string): string {
  const wildcard = text.startsWith('*.')
  const name = wildcard ? text.slice(2) : text
  // A port, a path or a user would be read as part of a URL.
  const ascii = /[\s/:@?#%\\]/.test(name) ? '' : domainToASCII(name)
  const labels = ascii.split('.')
  if (ascii.length > 253 || !labels.every((label) => /^[a-z\d_](?:[a-z\d_-]{0,61}[a-z\d_])?$/.test(label))) {
    throw checks.wrong('--server-name', text, 'give a host name without port, such as example.org or *.example.org')
  }
  return wildcard ? `*.${ascii}` : ascii
}

/** A path of URLs, without a slash at the end. */
function urlPath(checks: OptionChecks, option: string, value: string): string {
  if (!/^(?:\/[\w.~-]+)+$/.test(value) || value.split('/').some((part) => part === '.' || part === '..')) {
    throw checks.wrong(option, value, 'give a path that begins with a slash and ends without one, of letters, digits and . _ - ~, such as /shop')
  }
  return value
}

function staticFiles(checks: OptionChecks, given: SiteOptions, mount: string): StaticFiles | undefined {
  if (given.static === undefined) {
    if (given.staticPath !== undefined) throw checks.wrong('--static-path', given.staticPath, 'it has a meaning only together with --static, the folder')
    return undefined
  }
  const folder = filePath(checks, '--static', given.static).replace(/\/+$/, '')
  if (folder === '') throw checks.wrong('--static', given.static, 'give a folder of its own: this would show every file of the machine')
  return { folder, path: urlPath(checks, '--static-path', given.staticPath ?? `${mount}/static`) }
}
