/** Judges whether requests get from the web server to the app at all. Facts in, findings out. Pure. */
import { Role } from '../../fastcgi/record.js'
import { HTTP_ANSWER } from '../../server/other-protocols.js'
import { findSharedName } from './apache-configuration.js'
import { shown } from './app-place.js'
import type { Conversation, Exchange, Facts } from './facts.js'
import type { Finding } from './finding.js'
import { lineFor } from './lines.js'
import { checkWay } from './place-checks.js'

/** Statuses by which web servers say that the app behind them cannot be reached. */
const UNREACHED = new Set([500, 502, 503, 504])

const REDIRECTS = new Set([301, 302, 303, 307, 308])

/** Findings where nothing that the app could be given has arrived; none where it has. */
export function checkPassage(facts: Facts, conversation: Conversation): Finding[] {
  const line = lineFor(facts)
  const { exchanges, arrivals, http } = conversation
  const first = exchanges[0]
  if (http !== undefined) return [speaksHttp(facts, `what came begins with: ${http}`)]
  if (first === undefined) return []
  if (isAnswerToHttp(first)) return [speaksHttp(facts, ANSWER_TO_HTTP)]
  const [arrival] = arrivals
  if (arrival !== undefined) {
    if (arrival.role === Role.RESPONDER) return checkBelow(facts, conversation)
    return [line('wrong-role', `The web server asks the app in the role of ${arrival.role === Role.AUTHORIZER ? 'an Authorizer' : 'a Filter'}.`, `BEGIN_REQUEST has role ${String(arrival.role)}`)]
  }
  return notArrived(facts, first)
}

const ANSWER_TO_HTTP = 'the app answered 400: HTTP came to it'

function speaksHttp(facts: Facts, evidence: string): Finding {
  return lineFor(facts)('server-speaks-http', `The web server speaks HTTP to the ${facts.place.kind}, not FastCGI.`, evidence)
}

/** An app that runs answers so to HTTP, and no request is made of it. */
function isAnswerToHttp({ status, text }: Exchange): boolean {
  return status === 400 && text !== '' && HTTP_ANSWER.endsWith(text)
}

/** Some web servers look for a file first, and find the directory of `/`. */
function checkBelow(facts: Facts, { exchanges, arrivals }: Conversation): Finding[] {
  const below = exchanges.find(({ name }) => name === 'below')
  if (below === undefined || below.status === 0 || UNREACHED.has(below.status) || arrivals.some(({ name }) => name === 'below')) return []
  return [lineFor(facts)('not-passed', 'The web server answers by itself where there is no such file.',
    `${below.target.replace(/\?.*/, '')} was answered ${String(below.status)}, and did not arrive`)]
}

/** A server that runs refuses by itself what makes no request. */
function refused(facts: Facts, text: string, answered: string): Finding[] {
  const line = lineFor(facts)
  const [refusal, twice] = /The header (\S+) came twice/.exec(text) ?? []
  if (refusal === undefined || twice === undefined) return [line('no-params', 'The app is told nothing of the request, and answers 400.', answered)]
  return [line('param-twice', `The header ${twice} arrives twice: two lines of the configuration set it.`, `it answered 400: ${refusal}`)]
}

function answeredByItself(facts: Facts, status: number, headers: Exchange['headers'], answered: string): Finding {
  const line = lineFor(facts)
  const { location, server } = headers
  if (REDIRECTS.has(status) && typeof location === 'string') {
    return line('redirected', 'The web server sends clients to another address before it asks the app.', `it answered ${String(status)} with Location: ${location.replace(/\?.*/, '')}`)
  }
  const software = typeof server === 'string' ? `, by ${server}` : ''
  return line('not-passed', 'The web server answers by itself: the request goes to another site of it, or to a file.', answered + software)
}

function notArrived(facts: Facts, { status, error, host, headers, text }: Exchange): Finding[] {
  const line = lineFor(facts)
  if (status === 0 && error !== undefined && !error.startsWith('no answer')) {
    return [line('url-unreachable', 'The web server does not answer.', error)]
  }
  const shared = facts.server === 'apache' && facts.place.kind === 'socket' ? findSharedName(facts.configuration, facts.place.path) : undefined
  if (shared !== undefined) {
    return [line('shared-name', `Apache sends this app's requests to ${shared.other}: both have one name after the |.`,
      `${shared.name}/ stands for two sockets in one virtual host, and nothing arrived`)]
  }
  const answered = status === 0 ? error ?? 'no answer' : `it answered ${String(status)} to a request for ${host}, and nothing arrived at the ${facts.place.kind}`
  if (status === 401) return [line('password-asked', 'The web server asks for a password before it asks the app.', answered)]
  if (status === 400 && facts.answer.kind === 'fastcgi') return refused(facts, text, answered)
  if (status !== 0 && !UNREACHED.has(status)) return [answeredByItself(facts, status, headers, answered)]
  const access = checkWay(facts)
  if (access.length > 0) return access
  const why = facts.place.kind === 'socket' ? 'it has another path, or its rights end before it' : 'it has another address or port'
  return [line('other-socket', `The web server does not connect to ${shown(facts.place)}: ${why}.`, answered + passedTo(facts))]
}

/** What the configuration has in the place of the app's port, where that is certain. */
function passedTo({ place }: Facts): string {
  if (place.kind === 'socket' || place.passed === undefined) return ''
  const { at, to } = place.passed
  return `; ${at} has ${to.includes(':') ? to : `port ${to}`}`
}

/** Findings on the status alone, where it cannot be seen what arrives: an app may answer nearly any status itself. */
export function checkStatus(facts: Facts, exchange: Exchange): Finding[] {
  if (isAnswerToHttp(exchange)) return [speaksHttp(facts, ANSWER_TO_HTTP)]
  const isUnreached = exchange.status === 0 || UNREACHED.has(exchange.status)
  const appFails = facts.answer.kind !== 'fastcgi' || UNREACHED.has(facts.answer.status)
  if (!isUnreached || (appFails && exchange.status !== 0)) return isUnreached ? checkWay(facts) : []
  return notArrived(facts, exchange)
}
