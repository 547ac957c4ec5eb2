/** One check from beginning to end: gathers the facts, lets the checks judge them, and leaves everything as it was. */
import { ExpressResponderError } from '../../../shared/errors.js'
import { AddressInUseError } from '../../process/errors.js'
import { shown, type AppPlace } from './app-place.js'
import type { ArrivalSource, NotAsked } from './arrival-source.js'
import { checkAnswers } from './answer-checks.js'
import { askSocket } from './ask-socket.js'
import { readConfiguration } from './configuration-files.js'
import { checkConnections } from './connection-checks.js'
import type { Conversation, Facts, PortFacts, ServerName, SocketFacts } from './facts.js'
import type { Finding } from './finding.js'
import { checkFcgid, isRunByFcgid } from './fcgid-checks.js'
import { checkParams } from './param-checks.js'
import { checkPassage, checkStatus } from './passage-checks.js'
import { checkPlace, checkWay } from './place-checks.js'
import { isClosedToDoctor } from './port-checks.js'
import { addressesOf, isOfThisMachine, readPortFacts } from './port-facts.js'
import { converse } from './questions.js'
import { ask, createAgent, type Client } from './requests.js'
import { readSocketFacts } from './socket-files.js'
import { standIn, type StandInAccess } from './stand-in.js'
import { NO_PROCESSES, describeProcess, findWebServer } from './web-server-processes.js'

/** The default of `timeouts.idle`, in seconds. */
const DEFAULT_IDLE_SECONDS = 120
/** The errors of connecting that say for certain that nobody listens. */
const FREE = new Set(['ENOENT', 'ENOTDIR', 'ECONNREFUSED'])

/** What is to be checked; all defaults are filled in. */
export interface DoctorOptions {
  /** Where the app listens; the path of a socket is absolute. */
  readonly place: AppPlace
  /** The web server's address as clients know it; undefined: the socket or port alone is checked. */
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
  /** Has the running app tell what arrives, or says why it cannot be asked. It is called where somebody listens. */
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
 * Checks the socket or port, and what stands before it.
 *
 * @throws AddressInUseError EADDRINUSE where `listen` is `always` and somebody listens; FastCgiError as serve() where the stand-in cannot listen
 */
export async function diagnose(options: DoctorOptions): Promise<Diagnosis> {
  const { place, url, listen } = options
  const facts = await gather(options)
  const isFree = mayBeTaken(facts)
  if (listen !== 'always' && isRunByFcgid(facts)) return withoutSocket(facts, options)
  if (listen === 'always' && facts.answer.kind !== 'refused') throw new AddressInUseError(shown(place), '--listen, but a process listens at', place.kind === 'port' ? 'port' : 'path')
  // Of a port the way is judged by what does not arrive.
  if (url === undefined) return report(facts, [...checkPlace(facts), ...place.kind === 'socket' ? checkWay(facts) : []], undefined)
  const source = await openSource(options, isFree)
  if ('reason' in source) return withoutSource(options, facts, url, source)
  try {
    const conversation = await converse(clientOf(options, url, source), source, options.uploadBytes)
    const appIdleSeconds = source.idleLimit === undefined ? facts.appIdleSeconds : source.idleLimit === 0 ? Infinity : source.idleLimit / 1000
    const met = { ...facts, appIdleSeconds, conversation, server: facts.server ?? serverOf(conversation), place: isFree && place.kind === 'socket' ? readSocketFacts(place.path, facts.process?.account.name) : facts.place }
    return report(met, judge(facts, met, conversation), conversation)
  } finally {
    await source.close()
  }
}

/** @param before as it was before the stand-in listened */
function judge(before: Facts, met: Facts, conversation: Conversation): Finding[] {
  const passage = checkPassage(met, conversation)
  const own = checkPlace({ ...before, server: met.server, conversation })
  if (passage.length > 0) return [...own, ...passage]
  return [...own, ...checkParams(met, conversation), ...checkConnections(met, conversation), ...checkAnswers(met, conversation)]
}

/** Whether certainly nobody listens whose place it would be. */
function mayBeTaken({ answer, place }: Facts): boolean {
  if (answer.kind !== 'refused' || !FREE.has(answer.reason)) return false
  // An app at another address of the same port may be the one that is meant.
  return place.kind === 'socket' ? place.parts.at(-1)?.kind !== 'other' : (place.listening ?? []).length === 0
}

async function gather(options: DoctorOptions): Promise<Facts> {
  const { place, url, server: wanted, user, listen, timeout } = options
  // Who names a user alone asks of that user, and of no process.
  const isOfUser = url === undefined && wanted === undefined && user !== undefined
  const port = url === undefined ? undefined : await localPort(url)
  // A socket is asked by a process of this machine; a port may be asked from anywhere.
  const isElsewhere = place.kind === 'port' && port === undefined && wanted === undefined
  const found = isOfUser || isElsewhere ? NO_PROCESSES : findWebServer(port, wanted)
  const process = describeProcess(found.worker, place, user)
  const answer = await askSocket(place, url ?? new URL('http://localhost/'), timeout)
  const configuration = readConfiguration(wanted ?? found.name, found.command, found.directory)
  const known = { server: wanted ?? found.name, process, answer, standsIn: listen === 'always', appIdleSeconds: DEFAULT_IDLE_SECONDS, conversation: undefined, configuration }
  return { ...known, place: await readPlace(options, known) }
}

function readPlace({ place, timeout }: DoctorOptions, { process, server, answer, configuration }: Omit<Facts, 'place'>): Facts['place'] | Promise<Facts['place']> {
  return place.kind === 'socket' ? readSocketFacts(place.path, process?.account.name) : readPortFacts(place, server, configuration, answer.kind === 'fastcgi', timeout)
}

/** The port of the address where that is of this machine. */
async function localPort({ hostname, port, protocol }: URL): Promise<number | undefined> {
  const addresses = await addressesOf(hostname.replace(/^\[|\]$/g, ''))
  if (!addresses.some(isOfThisMachine)) return undefined
  return Number(port) || (protocol === 'https:' ? 443 : 80)
}

async function openSource({ place, listen, access, openSource: ofApp }: DoctorOptions, isFree: boolean): Promise<ArrivalSource | NotAsked> {
  if (listen === 'always') return standIn(place, access)
  if (!isFree) return await ofApp?.() ?? { reason: 'it was not asked' }
  if (listen === 'never') return { reason: 'it does not run, and the doctor is not to listen in its place' }
  try {
    return await standIn(place, access)
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
  const findings = [...checkPlace(facts), ...checkStatus(facts, exchange), ...checkConnections(facts, undefined)]
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
  const { process, place, server, configuration } = facts
  const user = process === undefined ? 'the web server, which was not found' : `${process.account.name} (${server ?? 'web server'}${process.pid === 0 ? '' : `, process ${String(process.pid)}`})`
  const checked = [place.kind === 'socket' ? `the path ${place.path}, as ${user}` : `the port ${shown(place)}`]
  if (conversation !== undefined) {
    checked.push(`${String(conversation.exchanges.length)} requests to ${conversation.url.href}, of which ${String(conversation.arrivals.filter(({ name }) => name !== '').length)} arrived`)
  }
  if (configuration.length > 0) checked.push(`${String(configuration.length)} files of the configuration, from ${configuration[0]?.path ?? ''}`)
  const unchecked = place.kind === 'socket' ? unseenOfPath(facts, place) : unseenOfPort(facts, place)
  if (conversation?.isShared === true) {
    unchecked.push(`the other ${place.kind}s: the web server shares requests among several, and this one was looked at. Run the doctor for each`)
  }
  return { findings: unique(findings), checked, unchecked, server }
}

function unseenOfPath({ process }: Facts, { parts }: SocketFacts): string[] {
  if (process === undefined) return ['permissions: give --user, or run as root, who sees the processes of all users']
  return parts.filter(({ list }) => list === 'unread').map(({ path }) => `the access control list of ${path}: install the package acl, which has getfacl`)
}

function unseenOfPort(facts: Facts, place: PortFacts): string[] {
  const unseen: string[] = []
  const { answer, process } = facts
  if (isClosedToDoctor(facts)) unseen.push(`what the app answers to this machine: it lets ${place.allowed ?? 'others'} connect, and not the doctor`)
  if (answer.kind === 'fastcgi' && place.listening === undefined) unseen.push('who else may connect: run the doctor where the app runs')
  else if (place.answersAnybody === undefined) unseen.push('who else may connect: see that FCGI_WEB_SERVER_ADDRS or a firewall names the web server alone')
  if (process === undefined) unseen.push('the processes and the configuration of the web server: none was found here. Root sees those of all users')
  return unseen
}

/** One finding of each code. */
function unique(findings: readonly Finding[]): Finding[] {
  return findings.filter(({ code }, index) => findings.findIndex((other) => other.code === code) === index)
}
