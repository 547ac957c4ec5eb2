/** Reads what the system tells of the app's TCP port, and what the configuration has of it. Nothing is judged here. */
import { lookup } from 'node:dns/promises'
import { isIP, isIPv4 } from 'node:net'
import { networkInterfaces } from 'node:os'
import { UNUSED_ADDRESS, isLoopback, type AppPlace } from './app-place.js'
import { answersFrom } from './ask-socket.js'
import type { ConfigurationFile, ConfiguredAddress, PortFacts, ServerName } from './facts.js'
import { allProcesses, holdersOf, listenersOn, readText, type Listener } from './proc-files.js'
import { readKernel } from './socket-files.js'

const ALLOWED = 'FCGI_WEB_SERVER_ADDRS='

/**
 * @param place of the app
 * @param server whose configuration it is
 * @param configuration of the web server
 * @param isFastCgi whether the app has answered; then it is tried who else may connect
 * @param limit milliseconds that an answer may take
 */
export async function readPortFacts(place: Extract<AppPlace, { kind: 'port' }>, server: ServerName | undefined, configuration: readonly ConfigurationFile[], isFastCgi: boolean, limit: number): Promise<PortFacts> {
  const { host, port } = place
  const addresses = await addressesOf(host)
  const isHere = addresses.some(isOfThisMachine)
  const listeners = isHere ? listenersOn(port) : undefined
  return {
    kind: 'port', host, port, addresses,
    listening: listeners === undefined ? undefined : [...new Set(listeners.map(({ address }) => address))],
    waiting: (listeners ?? []).reduce((sum, { waiting }) => sum + waiting, 0),
    allowed: allowedBy(listeners ?? []),
    answersAnybody: isFastCgi ? await answersAnybody(listeners ?? [], port, limit) : false,
    configured: await findConfigured(configuration, port),
    passed: server === undefined ? undefined : findPassed(server, configuration),
    ...readKernel(),
  }
}

/** What a host stands for; none where that is unknown. */
export async function addressesOf(host: string): Promise<string[]> {
  if (isIP(host) !== 0) return [host]
  try {
    return [...new Set((await lookup(host, { all: true })).map(({ address }) => address))]
  } catch {
    return []
  }
}

/** Whether an address is one of this machine's. */
export function isOfThisMachine(address: string): boolean {
  return isLoopback(address) || Object.values(networkInterfaces()).some((addresses) => addresses?.some((own) => own.address === address))
}

/** A process keeps the environment that it was started with where others can read it: root, and its own user. */
function allowedBy(listeners: readonly Listener[]): string | undefined {
  for (const pid of holdersOf(listeners.map(({ inode }) => inode), allProcesses())) {
    const variable = readText(`/proc/${String(pid)}/environ`)?.split('\0').find((each) => each.startsWith(ALLOWED))
    if (variable !== undefined && variable !== ALLOWED) return variable.slice(ALLOWED.length)
  }
  return undefined
}

/** False, too, where nobody outside of the machine can connect. */
async function answersAnybody(listeners: readonly Listener[], port: number, limit: number): Promise<boolean | undefined> {
  const open = listeners.find(({ address }) => !isLoopback(address))?.address
  if (open === undefined) return false
  const target = open === '::' || open === '0.0.0.0' ? '127.0.0.1' : open
  return isIPv4(target) ? answersFrom(UNUSED_ADDRESS, target, port, limit) : undefined
}

/** As `host:port`, and as lighttpd and h2o have it: each in an entry of its own. */
function patternsOf(port: number): RegExp[] {
  const number = `${String(port)}(?!\\d)`
  const host = '\\bhost"?\\s*(?:=>|:)\\s*"?([\\w.:-]+?)"?'
  const own = `\\bport"?\\s*(?:=>|:)\\s*"?${number}"?`
  return [
    new RegExp(`(?<![\\w.:-])(\\[[\\da-f:.]+\\]|[\\w.-]+):${number}`, 'gi'),
    new RegExp(`${host}[\\s,]+"?${own}`, 'gi'),
    new RegExp(`${own}[\\s,]+"?${host}(?=[\\s,})])`, 'gi'),
  ]
}

/** All that the configuration names with this port, but for comments. */
async function findConfigured(configuration: readonly ConfigurationFile[], port: number): Promise<ConfiguredAddress[]> {
  const found = new Map<string, string>()
  for (const { what, at } of patternsOf(port).flatMap((pattern) => find(configuration, pattern))) {
    const host = what.replace(/^\[|\]$/g, '')
    if (!found.has(host)) found.set(host, at)
  }
  return Promise.all([...found].map(async ([host, at]) => ({ host, at, addresses: await addressesOf(host) })))
}

/** The group of each match, but for comments, and its file and line. */
function find(configuration: readonly ConfigurationFile[], pattern: RegExp): { what: string, at: string }[] {
  return configuration.flatMap(({ path, text }) => {
    const plain = text.replace(/^[ \t]*#.*$/gm, '')
    return Array.from(plain.matchAll(pattern), (match) => ({ what: match[1] ?? '', at: `${path}:${String(plain.slice(0, match.index + match[0].length).split('\n').length)}` }))
  })
}

/** Where each web server is told to pass requests on; in nginx the server lines of an upstream block are among them. */
const PASSES: Readonly<Record<ServerName, RegExp>> = {
  nginx: /^[ \t]*(?:fastcgi_pass|server)[ \t]+"?([\w.[\]:-]+:\d+)"?(?=[^;{]*;)/gm,
  apache: /\bfcgi:\/\/([\w.[\]:-]+:\d+)/gi,
  lighttpd: /"port"\s*=>\s*"?(\d+)/g,
  caddy: /^[ \t]*(?:reverse_proxy|php_fastcgi)[ \t]+(?:[/*@]\S*[ \t]+)?"?([\w.[\]:-]*:\d+)/gm,
  haproxy: /^[ \t]*server[ \t]+\S+[ \t]+"?([\w.[\]:-]+:\d+)(?=.*\bproto[ \t]+fcgi)/gm,
  h2o: /fastcgi\.connect:[^]*?\bport:[ \t]*"?(\d+)/g,
}

/** Of several it is not known which one is the app's. */
function findPassed(server: ServerName, configuration: readonly ConfigurationFile[]): PortFacts['passed'] {
  const found = find(configuration, PASSES[server])
  const [first] = found
  return first !== undefined && found.every(({ what }) => what === first.what) ? { to: first.what, at: first.at } : undefined
}
