/** Judges whether connections to the app are kept, by what arrived and by nginx's configuration. Facts in, findings out. Pure. */
import type { Arrival } from '../../server/diagnostics.js'
import { namesOf } from './app-place.js'
import type { Conversation, Facts } from './facts.js'
import type { Finding } from './finding.js'
import { lineFor } from './lines.js'
import { parseNginx, upstreamsOf, type NginxUpstream } from './nginx-configuration.js'
import { checkNames } from './port-checks.js'

/** All findings on connections. */
export function checkConnections(facts: Facts, conversation: Conversation | undefined): Finding[] {
  const [first, second, third] = ['first', 'second', 'third'].map((name) => conversation?.arrivals.find((arrival) => arrival.name === name))
  const seen = first === undefined || second === undefined ? [] : checkArrivals(facts, conversation?.arrivals ?? [], first, second, third)
  return facts.server === 'nginx' ? [...seen, ...checkNginx(facts, first)] : seen
}

/**
 * They came one after the other: the first two on one connection of the client's, the third on another. Where visitors come meanwhile, one
 * may find all kept connections in use. So a web server uses none again only where none of all requests came on one that was used before.
 */
function checkArrivals(facts: Facts, arrivals: readonly Arrival[], first: Arrival, second: Arrival, third: Arrival | undefined): Finding[] {
  const line = lineFor(facts)
  const isReused = (name?: string): boolean => arrivals.some((arrival) => arrival.reused && arrival.name !== name)
  if (first.keepConnection && facts.server === 'h2o') {
    return [line('h2o-keep-alive', 'h2o keeps connections to the app; h2o 2.2 can abort when the app closes one.', 'BEGIN_REQUEST has FCGI_KEEP_CONN')]
  }
  if (second.keepConnection && !isReused()) {
    return [line('keep-alive', 'The web server asks the app to keep connections, and uses each of them once.', 'two requests in a row came with FCGI_KEEP_CONN, on two connections')]
  }
  // HAProxy keeps a connection for the session of one client, unless it may give it to others.
  if (facts.server === 'haproxy' && third?.keepConnection === true && !isReused('second')) {
    return [line('keep-alive', 'HAProxy uses a kept connection for one client only.', 'requests of two clients, one after the other, came on two connections')]
  }
  if (!first.keepConnection && facts.server === 'haproxy') {
    return [line('keep-conn', 'HAProxy asks the app to close after each response.', 'BEGIN_REQUEST has no FCGI_KEEP_CONN')]
  }
  return []
}

/** What cannot be seen in a few requests stands in the configuration, where that can be read. */
function checkNginx(facts: Facts, first: Arrival | undefined): Finding[] {
  const [main, ...rest] = facts.configuration
  if (main === undefined) return []
  const found = upstreamsOf(parseNginx(main, rest), namesOf(facts.place))
  const names = facts.place.kind === 'port' ? checkNames(facts, facts.place) : []
  return [...names, ...found.flatMap((upstream) => checkUpstream(facts, upstream, first))]
}

function checkUpstream(facts: Facts, upstream: NginxUpstream, first: Arrival | undefined): Finding[] {
  const line = lineFor(facts)
  const at = (what: string): string => `${what} in upstream ${upstream.name}`
  const findings: Finding[] = []
  if (!upstream.used) return []
  if (upstream.keepalive && first?.keepConnection === false) {
    findings.push(line('keep-conn', 'nginx is to keep connections, and does not ask the app to.', `${at('keepalive stands')}, and BEGIN_REQUEST has no FCGI_KEEP_CONN`))
  }
  if (upstream.keepalive && upstream.idleSeconds > facts.appIdleSeconds) {
    findings.push(line('idle-limit', `nginx keeps idle connections for ${String(upstream.idleSeconds)} s, the app closes them after ${String(facts.appIdleSeconds)} s: a request can be lost.`, at('keepalive_timeout stands')))
  }
  if (upstream.servers > 1 && upstream.withoutMaxFails > 0) {
    findings.push(line('max-fails', 'After one failure nginx avoids the app for 10 seconds, even if it is back after one.', `${at(`${String(upstream.servers)} server lines stand`)}, without max_fails=0`))
  }
  if (upstream.repeatsPosts) {
    findings.push(line('non-idempotent', 'nginx sends a POST again that may have been carried out.', 'fastcgi_next_upstream has non_idempotent'))
  }
  return findings
}
