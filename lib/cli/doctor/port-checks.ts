/** Judges who listens on the app's TCP port, who may connect, and whether the web server does. Facts in, findings out. Pure. */
import { isIP } from 'node:net'
import { hostPort, isLoopback, missedBy, shown } from './app-place.js'
import type { ConfiguredAddress, Facts, PortFacts } from './facts.js'
import type { Finding } from './finding.js'
import { lineFor } from './lines.js'

/** How the system says that a name has no address. */
const UNKNOWN_HOST = new Set(['ENOTFOUND', 'EAI_AGAIN', 'EAI_NODATA', 'EAI_NONAME'])
/** How Node says that nothing came of connecting in time. */
const TIMED_OUT = 'ABORT_ERR'

/** What can be said of a port without the web server. */
export function checkPort(facts: Facts, place: PortFacts): Finding[] {
  const { answer, standsIn } = facts
  const line = lineFor(facts)
  if (answer.kind !== 'refused') return [...checkQueue(facts, place), ...checkOpen(facts, place)]
  const { reason } = answer
  if (standsIn) return []
  if (UNKNOWN_HOST.has(reason)) return [line('unknown-host', `The name ${place.host} has no address.`, reason)]
  if (reason === TIMED_OUT && place.waiting > 0) {
    return [line('queue-full', 'The queue of the port is full: the app accepts more slowly than connections come.', `connecting had no answer in time, and ${String(place.waiting)} connections wait`)]
  }
  if (reason !== 'ECONNREFUSED') {
    return [line('host-unreachable', `${place.host} cannot be reached: there is no way to it, or a firewall is in the way.`, reason === TIMED_OUT ? 'connecting had no answer in time' : reason)]
  }
  const elsewhere = (place.listening ?? []).map((address) => hostPort(address, place.port))
  if (elsewhere.length > 0) {
    return [line('other-address', `Nobody listens at ${shown(place)}: the app listens at another address of this machine.`, `somebody listens at ${elsewhere.join(' and ')}`)]
  }
  return [line('no-listener', 'The app does not run, or it listens elsewhere.', `nobody listens at ${shown(place)}: ECONNREFUSED`)]
}

function checkQueue(facts: Facts, { waiting, somaxconn }: PortFacts): Finding[] {
  if (somaxconn === undefined || waiting < somaxconn) return []
  return [lineFor(facts)('queue-full', 'The queue of the port is full: the app accepts more slowly than connections come.',
    `${String(waiting)} connections wait, net.core.somaxconn is ${String(somaxconn)}`)]
}

function checkOpen(facts: Facts, { answersAnybody, listening = [], port }: PortFacts): Finding[] {
  if (answersAnybody !== true) return []
  const open = listening.filter((address) => !isLoopback(address)).map((address) => hostPort(address, port))
  return [lineFor(facts)('open-port', 'The port is open to the network, and the app answers everybody: whoever reaches it can claim to be any client.',
    `the app listens at ${open.join(' and ')}, and answered an address that no list of web servers has`)]
}

/** Whether the app has a list of web servers, which closes to this address. */
function isUnlisted({ place, answer }: Facts, address: string | undefined): boolean {
  if (place.kind !== 'port' || answer.kind !== 'closed' || place.allowed === undefined || address === undefined) return false
  return !place.allowed.split(',').map((listed) => listed.trim()).includes(address.replace(/^::ffff:/, ''))
}

/** The address from which the doctor has asked; so does a web server of this machine. */
function ownAddress({ answer }: Facts): string | undefined {
  return answer.kind === 'refused' ? undefined : answer.from
}

/** What the app refuses of the web server of this machine. */
function refusedHere(facts: Facts): string | undefined {
  const isHere = facts.process !== undefined && !hasArrived(facts)
  return isHere && isUnlisted(facts, ownAddress(facts)) ? ownAddress(facts) : undefined
}

/** The same of one on another machine, as far as its address for clients is the one from which it connects. */
function refusedElsewhere(facts: Facts): string | undefined {
  const { process, conversation } = facts
  const host = conversation?.url.hostname.replace(/^\[|\]$/g, '') ?? ''
  return process === undefined && isIP(host) !== 0 && isUnlisted(facts, host) && isUnlisted(facts, ownAddress(facts)) ? host : undefined
}

/** The app closes to the doctor, and rightly: it has a list of web servers, or the web server does get there. */
export function isClosedToDoctor(facts: Facts): boolean {
  const isRight = isUnlisted(facts, ownAddress(facts)) || hasArrived(facts)
  return facts.place.kind === 'port' && facts.answer.kind === 'closed' && isRight && refusedHere(facts) === undefined
}

/** Where the app closes a connection and it is known why; else undefined. */
export function checkClosed(facts: Facts, place: PortFacts): Finding[] | undefined {
  const refused = refusedHere(facts)
  if (refused !== undefined) return [refusal(facts, place, refused)]
  return isClosedToDoctor(facts) ? [] : undefined
}

function refusal(facts: Facts, { allowed = '' }: PortFacts, address: string): Finding {
  return lineFor(facts)('address-refused', `The app refuses ${address}, the address of the web server.`, `its process has FCGI_WEB_SERVER_ADDRS=${allowed}`)
}

function hasArrived({ conversation }: Facts): boolean {
  return conversation !== undefined && conversation.arrivals.length > 0
}

/** What keeps the web server from the port. To be asked where nothing arrived. */
export function checkReach(facts: Facts, place: PortFacts): Finding[] {
  const line = lineFor(facts)
  const { process } = facts
  const refused = refusedHere(facts) ?? refusedElsewhere(facts)
  if (refused !== undefined) return [refusal(facts, place, refused)]
  if (process?.sameNetwork === false && place.addresses.some(isLoopback)) {
    return [line('other-network', `${place.host} is another machine to the web server: it has a network of its own, as in a container.`,
      `/proc/${String(process.pid)}/ns/net is another than that of the doctor`)]
  }
  const astray = place.configured.filter((each) => missedBy(place, each).length > 0)
  const [first] = astray
  if (first !== undefined && astray.length === place.configured.length) {
    return [line('other-address', `The web server connects to ${hostPort(first.host, place.port)}, and the app is at ${shown(place)}.`, `${first.at} has ${describe(place, first)}`)]
  }
  if (place.enforcing && process?.label !== undefined && /:httpd_t\b/.test(process.label)) {
    return [line('selinux', 'SELinux lets the web server connect to few ports.', `the web server is ${process.label}`)]
  }
  return []
}

/** nginx takes a name for as many servers as it has addresses. Of a request that went astray nobody hears: it is sent to the next. */
export function checkNames(facts: Facts, place: PortFacts): Finding[] {
  const split = place.configured.find((each) => each.addresses.every(isLoopback) && isSplit(each.addresses.length, missedBy(place, each).length))
  if (split === undefined) return []
  return [lineFor(facts)('two-addresses', `nginx takes ${split.host} for ${String(split.addresses.length)} servers, and the app is at one of them: a failure there is 502 for 10 seconds.`,
    `${split.at} has ${describe(place, split)}`)]
}

/** Some of the addresses are right, and some are not. */
function isSplit(addresses: number, missed: number): boolean {
  return missed > 0 && missed < addresses
}

function describe({ port }: PortFacts, { host, addresses }: ConfiguredAddress): string {
  const meaning = addresses.length === 0 ? ', which has no address' : addresses.includes(host) ? '' : `, which is ${addresses.join(' and ')}`
  return hostPort(host, port) + meaning
}
