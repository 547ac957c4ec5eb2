/** One check from beginning to end: gathers the facts, lets the checks judge them, and leaves everything as it was. */
import { isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import { ExpressResponderError } from '../../../shared/errors.js'
import { AddressInUseError } from '../../process/errors.js'
import type { ArrivalSource, NotAsked } from './arrival-source.js'
import { checkAnswers } from './answer-checks.js'
import { askSocket } from './ask-socket.js'
import { readConfiguration } from './configuration-files.js'
import { checkConnections } from './connection-checks.js'
import type { Conversation, Facts, ServerName } from './facts.js'
import type { Finding } from './finding.js'
import { checkFcgid, isRunByFcgid } from './fcgid-checks.js'
import { checkParams } from './param-checks.js'
import { checkPassage, checkStatus } from './passage-checks.js'
import { converse } from './questions.js'
import { ask, createAgent, type Client } from './requests.js'
import { checkAccess, checkSocket } from './socket-checks.js'
import { readSocketFacts } from './socket-files.js'
import { standIn, type StandInAccess } from './stand-in.js'
import { NO_PROCESSES, describeProcess, findWebServer } from './web-server-processes.js'

/** The default of `timeouts.idle`, in seconds. */
const DEFAULT_IDLE_SECONDS = 120
/** The errors of connecting that say for certain that nobody listens. */
const FREE = new Set(['ENOENT', 'ENOTDIR', 'ECONNREFUSED'])

/** What is to be checked; all defaults are filled in. */
export interface DoctorOptions {
  /** An absolute path. */
  readonly socket: string
  /** The web server's address as clients know it; undefined: the socket alone is checked. */
  readonly url: URL | undefined
  /** The Host header. */
  readonly host: string | undefined
  readonly server: ServerName | undefined
  /** The user of the web server, in the place of the one of its processes. */
  readonly user: string | undefined
  /** `always`: the app is stopped on purpose, and it is an error if it is not. */
  readonly listen: 'always' | 'where-free' | 'never'
  readonly access: StandInAccess
  readonly headers: readonly (readonly [name: string, value: string])[]
  /** The size of the upload that is tried, in bytes. */
  readonly uploadBytes: number
  /** How long an answer may take, in milliseconds. */
  readonly timeout: number
  /** Has the running app tell what arrives, or says why it cannot be asked. It is called where somebody listens on the socket. */
  readonly openSource?: (() => Promise<ArrivalSource | NotAsked>) | undefined
}

/** The result of a check. */
export interface Diagnosis {
  readonly findings: readonly Finding[]
  /** What was looked at, a line each. */
  readonly checked: readonly string[]
  /** What could not be looked at, and why, a line each. */
  readonly unchecked: readonly string[]
  readonly server: ServerName | undefined
}

/**
 * Checks the socket, and what stands before it.
 *
 * @throws AddressInUseError EADDRINUSE where `listen` is `always` and somebody listens; FastCgiError as serve() where the stand-in cannot listen
 */
export async function diagnose(options: DoctorOptions): Promise<Diagnosis> {
  const { socket, url, listen } = options
  const facts = await gather(options)
  const isFree = facts.answer.kind === 'refused' && FREE.has(facts.answer.reason) && facts.socket.parts.at(-1)?.kind !== 'other'
  if (listen !== 'always' && isRunByFcgid(facts)) return withoutSocket(facts, options)
  if (listen === 'always' && facts.answer.kind !== 'refused') throw new AddressInUseError(socket, '--listen, but a process listens at')
  if (url === undefined) return report(facts, [...checkSocket(facts), ...checkAccess(facts)], undefined)
  const source = await openSource(options, isFree)
  if ('reason' in source) return withoutSource(options, facts, url, source)
  try {
    const conversation = await converse(clientOf(options, url, source), source, options.uploadBytes)
    const appIdleSeconds = source.idleLimit === undefined ? facts.appIdleSeconds : source.idleLimit === 0 ? Infinity : source.idleLimit / 1000
    const met = { ...facts, appIdleSeconds, conversation, server: facts.server ?? serverOf(conversation), socket: isFree ? readSocketFacts(socket, facts.process?.account.name) : facts.socket }
    return report(met, judge(facts, met, conversation), conversation)
  } finally {
    await source.close()
  }
}

/** @param before as it was before the stand-in listened */
function judge(before: Facts, met: Facts, conversation: Conversation): Finding[] {
  const passage = checkPassage(met, conversation)
  const own = checkSocket({ ...before, server: met.server })
  if (passage.length > 0) return [...own, ...passage]
  return [...own, ...checkParams(met, conversation), ...checkConnections(met, conversation), ...checkAnswers(met, conversation)]
}

async function gather({ socket, url, server: wanted, user, listen, timeout }: DoctorOptions): Promise<Facts> {
  // Who names a user alone asks of that user, and of no process.
  const isOfUser = url === undefined && wanted === undefined && user !== undefined
  const found = isOfUser ? NO_PROCESSES : findWebServer(url === undefined ? undefined : localPort(url), wanted)
  const process = describeProcess(found.worker, socket, user)
  return {
    socket: readSocketFacts(socket, process?.account.name),
    server: wanted ?? found.name,
    process,
    answer: await askSocket(socket, url ?? new URL('http://localhost/'), timeout),
    standsIn: listen === 'always',
    appIdleSeconds: DEFAULT_IDLE_SECONDS,
    conversation: undefined,
    configuration: readConfiguration(wanted ?? found.name, found.command, found.directory),
  }
}

/** The port of the address where that is of this machine. */
function localPort({ hostname, port, protocol }: URL): number | undefined {
  const host = hostname.replace(/^\[|\]$/g, '')
  const own = Object.values(networkInterfaces()).flatMap((addresses) => addresses?.map(({ address }) => address) ?? [])
  if (host !== 'localhost' && (isIP(host) === 0 || !own.includes(host))) return undefined
  return Number(port) || (protocol === 'https:' ? 443 : 80)
}

async function openSource({ socket, listen, access, openSource: ofApp }: DoctorOptions, isFree: boolean): Promise<ArrivalSource | NotAsked> {
  if (listen === 'always') return standIn(socket, access)
  if (!isFree) return await ofApp?.() ?? { reason: 'it was not asked' }
  if (listen === 'never') return { reason: 'it does not run, and the doctor is not to listen in its place' }
  try {
    return await standIn(socket, access)
  } catch (error) {
    // Where nobody has asked for it, it is no error that it cannot be.
    if (error instanceof ExpressResponderError) return { reason: `it does not run, and the doctor cannot listen in its place (${error.message})` }
    throw error
  }
}

function clientOf({ host, timeout, headers }: DoctorOptions, url: URL, source?: ArrivalSource): Client {
  const release = (name: string): Promise<boolean> => source?.release(name) ?? Promise.resolve(false)
  return { url, host: host ?? url.host, token: source?.token ?? '', limit: timeout, headers, release }
}

/** The web server says of itself what it is. */
function serverOf({ arrivals, exchanges }: Conversation): ServerName | undefined {
  const software = new Map(arrivals[0]?.params).get('SERVER_SOFTWARE') ?? exchanges[0]?.headers['server']
  const names: [RegExp, ServerName][] = [
    [/^(?:nginx|openresty|angie|tengine)/i, 'nginx'], [/^apache/i, 'apache'], [/^lighttpd/i, 'lighttpd'], [/^caddy/i, 'caddy'], [/^haproxy/i, 'haproxy'], [/^h2o/i, 'h2o'],
  ]
  return typeof software === 'string' ? names.find(([pattern]) => pattern.test(software))?.[1] : undefined
}

/** The app runs, and cannot be asked what arrives: what is left is one request that any app can be sent. */
async function withoutSource(options: DoctorOptions, facts: Facts, url: URL, { reason }: NotAsked): Promise<Diagnosis> {
  const agent = createAgent(url)
  const exchange = await ask(clientOf(options, url), { name: 'status', command: 'plain' }, agent)
  agent.destroy()
  const findings = [...checkSocket(facts), ...checkStatus(facts, exchange), ...checkConnections(facts, undefined)]
  return { ...report(facts, findings, undefined), unchecked: [`what arrives at the app: ${reason}. Or stop it, run the doctor as a user who may listen in its place, and use --listen`] }
}

/** mod_fcgid starts the app, on a socket of its own: what is left is its configuration, and whether the site answers. */
async function withoutSocket(facts: Facts, options: DoctorOptions): Promise<Diagnosis> {
  const { url, uploadBytes } = options
  const findings = checkFcgid(facts, uploadBytes)
  const { configuration, server } = facts
  const checked = [`${String(configuration.length)} files of the configuration, from ${configuration[0]?.path ?? ''}: mod_fcgid runs the app`]
  if (url !== undefined) {
    const agent = createAgent(url)
    const exchange = await ask(clientOf(options, url), { name: 'status', command: 'plain' }, agent)
    agent.destroy()
    // Its other conclusions are of a socket.
    findings.push(...checkStatus(facts, exchange).filter(({ code }) => code === 'url-unreachable' || code === 'password-asked'))
    checked.push(`a request to ${url.href}`)
  }
  return { findings: unique(findings), checked, unchecked: ['what arrives at the app: mod_fcgid gives it a socket that nobody else can listen on'], server }
}

function report(facts: Facts, findings: readonly Finding[], conversation: Conversation | undefined): Diagnosis {
  const { process, socket, server, configuration } = facts
  const user = process === undefined ? 'the web server, which was not found' : `${process.account.name} (${server ?? 'web server'}${process.pid === 0 ? '' : `, process ${String(process.pid)}`})`
  const checked = [`the path ${socket.path}, as ${user}`]
  if (conversation !== undefined) {
    checked.push(`${String(conversation.exchanges.length)} requests to ${conversation.url.href}, of which ${String(conversation.arrivals.filter(({ name }) => name !== '').length)} arrived`)
  }
  if (configuration.length > 0) checked.push(`${String(configuration.length)} files of the configuration, from ${configuration[0]?.path ?? ''}`)
  const unread = socket.parts.filter(({ list }) => list === 'unread').map(({ path }) => `the access control list of ${path}: install the package acl, which has getfacl`)
  const unchecked = process === undefined ? ['permissions: give --user, or run as root, who sees the processes of all users'] : unread
  if (conversation?.isShared === true) unchecked.push('the other sockets: the web server shares requests among several, and this one was looked at. Run the doctor for each')
  return { findings: unique(findings), checked, unchecked, server }
}

/** One finding of each code. */
function unique(findings: readonly Finding[]): Finding[] {
  return findings.filter(({ code }, index) => findings.findIndex((other) => other.code === code) === index)
}
