/** The benchmark's command line. Pure: arguments in, resolved options out. */
import { parseArgs } from 'node:util'
import { CASE_NAMES } from './cases.js'
import type { CaseName } from './cases.js'
import { SERVER_NAMES, USUAL_SERVER_NAMES } from './roster.js'
import type { ServerName } from './roster.js'

/** What the benchmark does in a run. */
export type Mode = 'compare' | 'targets' | 'callgrind' | 'memory'

export interface BenchOptions {
  mode: Mode
  cases: CaseName[]
  servers: ServerName[]
  /** Kept connections, new ones for each request, or both. */
  connections: ('kept' | 'new')[]
  clients: number
  rounds: number
  seconds: number
  /** The Node binary that server programs run on. */
  node: string
  /** More Node binaries, for the targets that name a version. */
  nodes: string[]
  behindNginx: boolean
  /** Where the result goes as JSON. */
  json: string
}

export const USAGE = `npm run bench -- [options]

What to do (the default compares servers and prints a table for each case):
  --targets               each target of the project beside the measured ratio
  --callgrind             user-space instructions a request, counted by valgrind
  --memory                resident memory under stalled streams and of idle connections

What to compare:
  --cases <a,b>           ${CASE_NAMES.join(', ')}
  --servers <a,b>         ${SERVER_NAMES.join(', ')}
  --connections <a,b>     kept, new
  --behind-nginx          the load goes through nginx, which keeps its connections

How:
  --rounds <n>            measurements of each server (5)
  --seconds <n>           length of a measurement (0.5)
  --clients <n>           connections open at once (16)
  --node <file>           the Node binary of the servers (this one)
  --nodes <a,b>           more Node binaries, for the targets that name a version
  --json <file>           where the result is written (bench-results.json)
`

/**
 * Reads the command line.
 *
 * @throws TypeError, RangeError where an argument is unknown or makes no sense.
 */
export function parseOptions(args: string[], node: string): BenchOptions | 'help' {
  const { values } = parseArgs({
    args,
    options: {
      targets: { type: 'boolean' },
      callgrind: { type: 'boolean' },
      memory: { type: 'boolean' },
      cases: { type: 'string' },
      servers: { type: 'string' },
      connections: { type: 'string' },
      'behind-nginx': { type: 'boolean' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      clients: { type: 'string' },
      node: { type: 'string' },
      nodes: { type: 'string' },
      json: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help === true) return 'help'
  const modes = (['targets', 'callgrind', 'memory'] as const).filter((mode) => values[mode] === true)
  if (modes.length > 1) throw new RangeError(`--${modes.join(' and --')} exclude each other`)
  return {
    mode: modes[0] ?? 'compare',
    cases: choose('cases', values.cases, CASE_NAMES),
    servers: values.servers === undefined ? [...USUAL_SERVER_NAMES] : choose('servers', values.servers, SERVER_NAMES),
    connections: choose('connections', values.connections, ['kept', 'new']),
    clients: positive('clients', values.clients ?? '16'),
    rounds: positive('rounds', values.rounds ?? '5'),
    seconds: positive('seconds', values.seconds ?? '0.5'),
    node: values.node ?? node,
    nodes: values.nodes?.split(',') ?? [],
    behindNginx: values['behind-nginx'] === true,
    json: values.json ?? 'bench-results.json',
  }
}

function choose<Name extends string>(option: string, value: string | undefined, all: readonly Name[]): Name[] {
  if (value === undefined) return [...all]
  return value.split(',').map((wanted) => {
    const found = all.find((name) => name === wanted)
    if (found === undefined) throw new RangeError(`--${option}: no "${wanted}"; there are ${all.join(', ')}`)
    return found
  })
}

function positive(option: string, value: string): number {
  const number = Number(value)
  if (!(number > 0)) throw new RangeError(`--${option}: "${value}" is no positive number`)
  return number
}
