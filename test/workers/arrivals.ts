/**
 * Which requests have arrived at which process, and which of them it has answered: told to a file before anything else is done with
 * them, so that it is known of a process that is killed in the next moment, too. So a request that failed can be shown to have been in
 * flight on a certain process, or not.
 */
import { openSync, readFileSync, writeSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'

const ID = /[?&]id=([\w-]+)/

/** In the app: what tells of a request; undefined where nobody has asked for it (the variable ARRIVALS). */
export function tellArrivals(): ((request: IncomingMessage, response: ServerResponse) => void) | undefined {
  const path = process.env['ARRIVALS']
  if (path === undefined) return undefined
  // All processes append to one file, a line in one write: their order is that of the events.
  const file = openSync(path, 'a')
  const pid = String(process.pid)
  return function tell(request, response) {
    const [, id] = ID.exec(request.url ?? '') ?? []
    if (id === undefined) return
    writeSync(file, `arrived ${id} ${pid}\n`)
    response.on('finish', () => writeSync(file, `answered ${id} ${pid}\n`))
  }
}

/** Why requests have failed: the ids of each kind. */
export interface FailureKinds {
  /** They had arrived at a process that was killed, and it had not answered them. */
  readonly inFlight: string[]
  /** No process has seen them: the web server had given them to a connection, which ended; and they were open when processes were killed. */
  readonly onTheirWay: string[]
  /** The web server could not connect. */
  readonly refused: string[]
  /** All others: there should be none. */
  readonly unexplained: string[]
}

/** What nginx says of a connection that it could not make, and of one that ended while a request was open on it. */
const NOT_CONNECTED = /connect\(\) (?:to \S+ )?failed|no live upstreams/
const ENDED = /upstream prematurely closed connection|(?:recv|readv|writev|send)\(\) failed \((?:104|32): /

/** What the log of HAProxy says of the same (`option httplog`): the server, the state at the end of the session; `SC` is a connection that it could not make. */
const HAPROXY = / (?<backend>\S+)\/(?<server>\S+) [-\d+]+(?:\/[-\d+]+){4} \d+ \d+ \S \S (?<state>\S)(?<phase>\S)\S\S /

/** What the log of a web server says of a request: it could not connect for it, the connection has ended, or something else went wrong. */
function verdictOf(line: string): 'refused' | 'ended' | 'other' | undefined {
  const { state, phase, server } = HAPROXY.exec(line)?.groups ?? {}
  if (NOT_CONNECTED.test(line) || (state === 'S' && phase === 'C') || server === '<NOSRV>') return 'refused'
  if (ENDED.test(line) || (state === 'S' && (phase === 'H' || phase === 'D'))) return 'ended'
  return state === undefined || state === '-' ? undefined : 'other'
}

/** The process that has each request, 0 once it has answered. */
function holdersIn(arrivals: string): Map<string, number> {
  const holders = new Map<string, number>()
  for (const line of readFileSync(arrivals, 'latin1').split('\n')) {
    const [what, id = '', pid] = line.split(' ')
    holders.set(id, what === 'arrived' ? Number(pid) : 0)
  }
  return holders
}

/** What a log says of each request at last: where one host refuses, another is asked. */
function verdictsIn(log: string): Map<string, ReturnType<typeof verdictOf>> {
  const verdicts = new Map<string, ReturnType<typeof verdictOf>>()
  for (const line of log.split('\n')) {
    const [, id] = ID.exec(line) ?? []
    if (id !== undefined) verdicts.set(id, verdictOf(line) ?? verdicts.get(id))
  }
  return verdicts
}

/**
 * Finds out why requests have failed.
 *
 * @param failed their ids
 * @param arrivals the file that processes told of them in
 * @param killed the processes that were killed
 * @param log the error log of nginx, or HAProxy's log: each names the request on each line
 * @param wasOpen whether a request that failed was open when they were killed. HAProxy says nothing of some of those: where the host that it
 *   gave a request to has gone, and the client has had an answer on that connection, it closes it without one, and without a line
 */
export function explain(
  failed: Iterable<string>, arrivals: string, killed: ReadonlySet<number>, log: string, wasOpen: (id: string) => boolean,
): FailureKinds {
  const holders = holdersIn(arrivals)
  const verdicts = verdictsIn(log)
  const kinds: FailureKinds = { inFlight: [], onTheirWay: [], refused: [], unexplained: [] }
  for (const id of failed) {
    const verdict = verdicts.get(id)
    const pid = holders.get(id)
    // Of one that had arrived, the web server may have asked again, and been refused.
    if (pid !== undefined && killed.has(pid)) kinds.inFlight.push(id)
    else if (verdict === 'refused') kinds.refused.push(id)
    else if (pid === undefined && verdict !== 'other' && wasOpen(id)) kinds.onTheirWay.push(id)
    else kinds.unexplained.push(id)
  }
  return kinds
}
