/** Judges the params that have arrived, against what the client has sent. Facts in, findings out. Pure. */
import { isIP } from 'node:net'
import { isEncrypted } from '../../http/cgi-request.js'
import type { Arrival } from '../../server/diagnostics.js'
import { isLoopback } from './app-place.js'
import type { Conversation, Exchange, Facts } from './facts.js'
import type { Finding, FindingCode } from './finding.js'
import { lineFor } from './lines.js'
import { findProxy, isForwardedHttps } from './proxy-before.js'
import { SENT } from './questions.js'

/** Params of which the app can use one value only: two are refused, or either is taken. */
const SINGLE = ['REQUEST_METHOD', 'REQUEST_URI', 'HTTP_HOST', 'HTTP_AUTHORIZATION', 'CONTENT_LENGTH', 'REMOTE_ADDR', 'HTTPS']

/** One question with what arrived of it. */
interface Pair {
  readonly exchange: Exchange
  readonly arrival: Arrival
}

/** All findings on params. */
export function checkParams(facts: Facts, conversation: Conversation): Finding[] {
  const first = pairOf(conversation, 'first') ?? unmarked(conversation)
  if (first === undefined) return []
  const params = read(first.arrival)
  if (params.get('REQUEST_METHOD') === undefined) {
    return [lineFor(facts)('no-params', 'The app is told nothing of the request but its headers: 400 to everything.', names(first.arrival))]
  }
  return [
    ...checkUrl(facts, conversation, first),
    ...checkHeaders(facts, conversation, first),
    ...checkIdentity(facts, conversation, first),
    ...checkBody(facts, conversation),
    ...checkTwice(facts, first),
  ]
}

/** Where the mark got lost with headers and query: the request that came instead. */
function unmarked({ exchanges, arrivals }: Conversation): Pair | undefined {
  const [exchange, arrival] = [exchanges[0], arrivals[0]]
  return exchange === undefined || arrival === undefined ? undefined : { exchange, arrival }
}

function pairOf({ exchanges, arrivals }: Conversation, name: string): Pair | undefined {
  const exchange = exchanges.find((found) => found.name === name)
  const arrival = arrivals.find((found) => found.name === name)
  return exchange === undefined || arrival === undefined ? undefined : { exchange, arrival }
}

function read({ params }: Arrival): ReadonlyMap<string, string> {
  return new Map(params)
}

function names({ params }: Arrival): string {
  return `arrived: ${[...new Set(params.map(([name]) => name))].join(', ') || 'no params'}`
}

function decoded(url: string): string {
  try {
    return decodeURIComponent(url).replace(/\/{2,}/g, '/').replace(/\?.*$/, '')
  } catch {
    return url
  }
}

function checkUrl(facts: Facts, conversation: Conversation, { exchange, arrival }: Pair): Finding[] {
  const line = lineFor(facts)
  const uri = read(arrival).get('REQUEST_URI')
  if (uri === undefined || uri === '') return [line('no-request-uri', 'The URL does not arrive: the app reads it from REQUEST_URI.', names(arrival))]
  const changed = (sent: Exchange, got: string): Finding[] => got === sent.target || decoded(got) !== decoded(sent.target)
    ? []
    : [line('url-changed', 'The URL arrives decoded, tidied up or without its query.', `sent ${withoutMark(sent.target)}, arrived ${withoutMark(got)}`)]
  const findings = changed(exchange, uri)
  if (findings.length > 0) return findings
  const encoded = pairOf(conversation, 'encoded')
  if (encoded !== undefined) return changed(encoded.exchange, read(encoded.arrival).get('REQUEST_URI') ?? '')
  const refused = conversation.exchanges.find(({ name, status }) => name === 'encoded' && (status === 404 || status === 400 || status === 403))
  if (refused === undefined) return []
  return [line('encoded-slash', `URLs with %2F are answered ${String(refused.status)} by the web server.`, `${withoutMark(refused.target)} did not arrive`)]
}

/** The token is of no interest, and no other's business. */
function withoutMark(url: string): string {
  return url.replace(/doctor=[0-9a-f]{32}\S*/, 'doctor=…')
}

function checkHeaders(facts: Facts, conversation: Conversation, { exchange, arrival }: Pair): Finding[] {
  const line = lineFor(facts)
  const params = read(arrival)
  if (![...params.keys()].some((name) => name.startsWith('HTTP_X_'))) {
    return [line('headers', 'The headers of the client do not arrive.', names(arrival))]
  }
  const findings: Finding[] = []
  if (params.get('HTTP_AUTHORIZATION') !== SENT.authorization) {
    findings.push(line('authorization', 'The Authorization header does not arrive: whoever sends a token gets 401.', `sent ${SENT.authorization}, arrived ${shown(params.get('HTTP_AUTHORIZATION'))}`))
  }
  const cookie = pairOf(conversation, 'cookie')
  const large = cookie === undefined ? 0 : (read(cookie.arrival).get('HTTP_COOKIE') ?? '').length
  if (params.get('HTTP_COOKIE') !== SENT.cookie || (cookie !== undefined && large < cookie.exchange.target.length)) {
    findings.push(line('cookie', 'Cookies do not arrive whole.', `sent ${SENT.cookie}, arrived ${shown(params.get('HTTP_COOKIE'))}`))
  }
  // h2o has no setting that removes a header of a request.
  if (params.get('HTTP_PROXY') && facts.server !== 'h2o') {
    findings.push(line('httpoxy', 'A client\'s Proxy header arrives as HTTP_PROXY, which programs take for their proxy (CVE-2016-5385).', `arrived HTTP_PROXY ${params.get('HTTP_PROXY') ?? ''}`))
  }
  const underscore = pairOf(conversation, 'underscore')
  // Where the web server writes forwarded headers itself, or has a setting for it.
  const isSettable = facts.server === 'caddy' || facts.server === 'nginx'
  if (isSettable && underscore !== undefined && read(underscore.arrival).get('HTTP_X_DOCTOR_UNDERSCORE') === SENT.underscore) {
    findings.push(line('underscore', 'A client\'s X_Forwarded_For would arrive as X-Forwarded-For does: HTTP_X_FORWARDED_FOR.', 'sent X_Doctor_Underscore, arrived HTTP_X_DOCTOR_UNDERSCORE'))
  }
  return [...findings, ...checkHost(facts, exchange, params.get('HTTP_HOST'))]
}

function shown(value: string | undefined): string {
  return value === undefined || value === '' ? 'nothing' : value
}

function checkHost(facts: Facts, { host }: Exchange, arrived: string | undefined): Finding[] {
  const line = lineFor(facts)
  if (arrived === host) return []
  const evidence = `asked for ${host}, arrived ${shown(arrived)}`
  if (arrived !== undefined && host.startsWith(`${arrived}:`)) {
    return [line('host-port', 'The Host header loses its port, and absolute URLs that the app makes lead elsewhere.', evidence)]
  }
  return [line('host-changed', 'Another Host arrives than the client has asked for.', evidence)]
}

function checkIdentity(facts: Facts, conversation: Conversation, { exchange, arrival }: Pair): Finding[] {
  const line = lineFor(facts)
  const params = read(arrival)
  const findings: Finding[] = []
  const basic = pairOf(conversation, 'basic')
  if (basic !== undefined && read(basic.arrival).get('REMOTE_USER') === SENT.user) {
    findings.push(line('remote-user', 'A client can choose REMOTE_USER: the web server takes it from the request, without a password.', `a wrong password for '${SENT.user}' arrived as REMOTE_USER=${SENT.user}`))
  }
  const encrypted = isEncrypted((name) => params.get(name))
  const scheme = `HTTPS is ${shown(params.get('HTTPS'))}, REQUEST_SCHEME is ${shown(params.get('REQUEST_SCHEME'))}`
  if (conversation.url.protocol === 'https:' && !encrypted && !(conversation.trustsForwarded && isForwardedHttps(conversation))) findings.push(line('scheme', 'The app cannot see that the client uses HTTPS: req.secure is false.', scheme))
  if (conversation.url.protocol === 'http:' && encrypted) findings.push(line('scheme-forced', 'The app is told HTTPS, and the client uses HTTP.', scheme))
  if ((params.get('SERVER_SOFTWARE') ?? '').trim() === '') {
    findings.push(line('server-software', 'The app is not told which web server asks, and cannot go by what that one does.', names(arrival)))
  }
  return [...findings, ...checkAddress(facts, conversation, exchange.clientAddress, params.get('REMOTE_ADDR'))]
}

function checkAddress(facts: Facts, conversation: Conversation, client: string | undefined, address: string | undefined): Finding[] {
  const line = lineFor(facts)
  const proxy = findProxy(conversation)
  if (proxy !== undefined) {
    if (conversation.trustsForwarded) return []
    return [line('proxy-address', `Another proxy stands before the web server, and ${proxy.address} is taken for the client: req.ip is the proxy's.`,
      `arrived REMOTE_ADDR ${proxy.address}, X-Forwarded-For ${proxy.forwarded}`)]
  }
  if (address !== undefined && isIP(address) !== 0 && (client === undefined || !isLoopback(client) || isLoopback(address))) return []
  return [line('client-address', 'The address of the client does not arrive: req.ip is wrong.', `the client is ${shown(client)}, arrived REMOTE_ADDR ${shown(address)}`)]
}

function checkBody(facts: Facts, conversation: Conversation): Finding[] {
  const upload = pairOf(conversation, 'upload')
  if (upload === undefined) return []
  const line = lineFor(facts)
  const params = read(upload.arrival)
  const findings: Finding[] = []
  const missing = (name: string, code: FindingCode, problem: string): void => {
    if (!params.get(name)) findings.push(line(code, problem, names(upload.arrival)))
  }
  missing('CONTENT_TYPE', 'no-content-type', 'The type of an upload does not arrive: body parsers ignore it.')
  missing('CONTENT_LENGTH', 'no-content-length', 'The length of an upload does not arrive.')
  return findings
}

function checkTwice(facts: Facts, { arrival }: Pair): Finding[] {
  const twice = SINGLE.filter((name) => new Set(arrival.params.filter(([found]) => found === name).map(([, value]) => value)).size > 1)
  if (twice.length === 0) return []
  const values = arrival.params.filter(([name]) => twice.includes(name)).map(([name, value]) => `${name}=${value}`)
  return [lineFor(facts)('param-twice', `${twice.join(', ')} arrives twice: two lines of the configuration set it.`, withoutMark(values.join(', ')))]
}
