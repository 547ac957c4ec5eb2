/** The benchmark's command line. Pure: arguments in, resolved options out. */
import { parseArgs } from 'node:util'
import { CASE_NAMES } from './cases.js'
import type { CaseName } from './cases.js'
import { SERVER_NAMES, USUAL_SERVER_NAMES } from './roster.js'
import type { ServerName } from './roster.js'

export interface BenchOptions {
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
  /** By what two builds are compared. */
  by: ('cpu' | 'instructions')[]
  /** Where the result goes as JSON. */
  json: string
}

/** The servers that tell what a middleware adds, over HTTP and over FastCGI. */
const OF_MIDDLEWARE = {
  recovery: ['express-http', 'recovery-http', 'express-fastcgi', 'recovery-fastcgi'],
  all: ['express-http', 'express-fastcgi', 'recovery-fastcgi', 'memory-fastcgi', 'auto-limit-fastcgi', 'rate-limit-fastcgi', 'all-fastcgi', 'suite-fastcgi', 'others-fastcgi'],
  concurrency: ['express-http', 'fixed-limit-http', 'auto-limit-http', 'express-fastcgi', 'fixed-limit-fastcgi', 'auto-limit-fastcgi'],
  prepared: ['nothing-prepared', 'recovery-prepared', 'memory-prepared', 'auto-limit-prepared', 'rate-limit-prepared', 'all-prepared', 'suite-prepared', 'others-prepared'],
  mounted: ['express-http', 'mounted-http', 'nothing-prepared', 'mounted-prepared', 'express-fastcgi', 'mounted-fastcgi'],
} as const satisfies Readonly<Record<string, readonly ServerName[]>>
const MIDDLEWARE = Object.keys(OF_MIDDLEWARE) as (keyof typeof OF_MIDDLEWARE)[]
/** What a middleware adds is little beside what differs from round to round. */
const ROUNDS_OF_MIDDLEWARE = '15'

/** What the commands that start servers are given. */
export function usage(command: string): string {
  return `npm run bench -- ${command} [options]

What to measure:
  --cases <a,b>           ${CASE_NAMES.join(', ')}
  --servers <a,b>         ${SERVER_NAMES.join(', ')}
  --middleware <name>     ${MIDDLEWARE.join(' or ')}: hello with and without it, connections kept, ${ROUNDS_OF_MIDDLEWARE} rounds
  --connections <a,b>     kept, new
  --behind-nginx          the load goes through nginx, which keeps its connections

How:
  --rounds <n>            measurements of each server (5)
  --seconds <n>           length of a measurement (0.5)
  --clients <n>           connections open at once (16)
  --node <file>           the Node binary of the servers (this one)
  --nodes <a,b>           more Node binaries, for the targets that name a version
  --by <a,b>              cpu, instructions (needs valgrind): what two builds are compared by (both)
  --json <file>           where the result is written (bench-results.json)
`
}

/**
 * Reads the command line.
 *
 * @throws TypeError, RangeError where an argument is unknown or makes no sense.
 */
export function parseOptions(args: readonly string[], node: string): BenchOptions | 'help' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      middleware: { type: 'string' },
      cases: { type: 'string' },
      servers: { type: 'string' },
      connections: { type: 'string' },
      'behind-nginx': { type: 'boolean' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      clients: { type: 'string' },
      node: { type: 'string' },
      nodes: { type: 'string' },
      by: { type: 'string' },
      json: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help === true) return 'help'
  const usual = usualOf(values.middleware)
  return {
    cases: choose('cases', values.cases, CASE_NAMES, usual.cases),
    servers: choose('servers', values.servers, SERVER_NAMES, usual.servers),
    connections: choose('connections', values.connections, ['kept', 'new'], usual.connections),
    clients: positive('clients', values.clients ?? '16'),
    rounds: positive('rounds', values.rounds ?? usual.rounds),
    seconds: positive('seconds', values.seconds ?? '0.5'),
    node: values.node ?? node,
    nodes: values.nodes?.split(',') ?? [],
    behindNginx: values['behind-nginx'] === true,
    by: choose('by', values.by, ['cpu', 'instructions'], ['cpu', 'instructions']),
    json: values.json ?? 'bench-results.json',
  }
}

/** What is measured where nothing else is said. */
function usualOf(middleware: string | undefined): Pick<BenchOptions, 'cases' | 'servers' | 'connections'> & { rounds: string } {
  if (middleware === undefined) return { cases: [...CASE_NAMES], servers: [...USUAL_SERVER_NAMES], connections: ['kept', 'new'], rounds: '5' }
  const [name] = choose('middleware', middleware, MIDDLEWARE, [])
  return { cases: ['hello'], servers: name === undefined ? [] : [...OF_MIDDLEWARE[name]], connections: ['kept'], rounds: ROUNDS_OF_MIDDLEWARE }
}

function choose<Name extends string>(option: string, value: string | undefined, all: readonly Name[], usual: readonly Name[]): Name[] {
  if (value === undefined) return [...usual]
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
