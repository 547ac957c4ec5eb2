/** The comparison: every chosen server in every chosen case, in one run, as tables. */
import { CASES } from './cases.js'
import type { CaseName } from './cases.js'
import { runMeasurement } from './context.js'
import type { BenchContext } from './context.js'
import { launch } from './launch.js'
import type { Running } from './launch.js'
import { ratio, spread } from './stats.js'
import type { Spread } from './stats.js'
import { startNginx } from './nginx.js'
import type { Nginx } from './nginx.js'
import { figure, table, withSpread } from './report.js'
import { serverKind } from './roster.js'
import type { ServerName } from './roster.js'
import { measureRounds } from './rounds.js'
import type { Samples, Target } from './rounds.js'

/** The server that the others are held against. */
const REFERENCE: ServerName = 'express-http'
/** From here on the load generator is named as a possible bottleneck. */
const BUSY = 0.95

/** One server in one case. */
export interface Comparison {
  server: ServerName
  case: CaseName
  connections: 'kept' | 'new'
  behindNginx: boolean
  failure?: string
  cpuMicroseconds?: Spread
  requestsPerSecond?: Spread
  generatorBusy?: number
  /** Times the CPU time of Express over HTTP on a Unix socket. */
  ratio?: Spread
}

/** The servers of one run, with an nginx in front if asked for. */
export class Stage {
  readonly servers: readonly Running[]
  readonly #nginx: Nginx | undefined

  private constructor(servers: readonly Running[], nginx: Nginx | undefined) {
    this.servers = servers
    this.#nginx = nginx
  }

  static async open(
    names: readonly ServerName[],
    options: { directory: string; node: string; clients: number; behindNginx: boolean },
  ): Promise<Stage> {
    const servers: Running[] = []
    try {
      for (const name of names) servers.push(await launch(name, options))
      return new Stage(servers, options.behindNginx ? await startNginx(options.directory, servers) : undefined)
    } catch (error) {
      await Promise.all(servers.map((server) => server.stop()))
      throw error
    }
  }

  /** What the rounds measure of a server: itself, with the load arriving directly or through nginx. */
  target(server: Running, name: CaseName): Target {
    if (this.#nginx) return { pid: server.pid, address: this.#nginx.front(server), protocol: 'http', keeps: true }
    const scriptFilename = server.kind.scriptFilename?.(name)
    return {
      pid: server.pid,
      address: server.address,
      protocol: server.kind.protocol,
      keeps: server.kind.keeps,
      ...(scriptFilename === undefined ? {} : { scriptFilename }),
    }
  }

  async close(): Promise<void> {
    await this.#nginx?.stop()
    await Promise.all(this.servers.map((server) => server.stop()))
  }
}

export function run(args: readonly string[]): Promise<void> {
  return runMeasurement({ command: 'compare', inRounds: true, measure: compare }, args)
}

/** Measures all and prints a table as soon as it is full. */
export async function compare({ options, directory, generator, print }: BenchContext): Promise<Comparison[]> {
  const present = options.servers.filter((name) => serverKind(name).missing() === undefined)
  const absent = options.servers.filter((name) => serverKind(name).missing() !== undefined)
  const stage = await Stage.open(present, { ...options, directory })
  const results: Comparison[] = []
  try {
    for (const connections of options.connections) {
      for (const name of options.cases) {
        const servers = stage.servers.filter(({ kind }) => !options.behindNginx || (kind.casesBehindProxy?.includes(name) ?? true))
        const samples = await measureRounds(
          generator,
          servers.map((server) => stage.target(server, name)),
          { ...options, case: name, keep: connections === 'kept' },
        )
        const measured = servers.map((server) => server.name)
        const rows = compareCase(measured, samples, { case: name, connections, behindNginx: options.behindNginx })
        results.push(...rows)
        print(`\n${heading(name, connections, options.behindNginx)}\n\n${caseTable(rows, absent)}`)
      }
    }
  } finally {
    await stage.close()
  }
  return results
}

function compareCase(
  names: readonly ServerName[],
  samples: readonly Samples[],
  where: Pick<Comparison, 'case' | 'connections' | 'behindNginx'>,
): Comparison[] {
  const reference = samples[names.indexOf(REFERENCE)]
  const rows: Comparison[] = []
  for (const [index, server] of names.entries()) {
    const own = samples[index]
    if (own === undefined) continue
    if (own.failures > 0) rows.push({ server, ...where, failure: own.firstFailure ?? 'failed' })
    else {
      rows.push({
        server,
        ...where,
        cpuMicroseconds: spread(own.cpuMicroseconds),
        requestsPerSecond: spread(own.requestsPerSecond),
        generatorBusy: spread(own.generatorBusy).median,
        ...(reference?.failures === 0 ? { ratio: ratio(own.cpuMicroseconds, reference.cpuMicroseconds) } : {}),
      })
    }
  }
  return rows
}

function heading(name: CaseName, connections: 'kept' | 'new', behindNginx: boolean): string {
  const road = behindNginx ? ', behind nginx' : ''
  return `### ${CASES[name].title}, ${connections === 'kept' ? 'connections kept' : 'a connection for each request'}${road}`
}

function caseTable(rows: readonly Comparison[], absent: readonly ServerName[]): string {
  return table(
    ['server', 'CPU, µs a request', '× Express over HTTP', 'requests/s', 'generator busy'],
    [
      ...rows.map((row) => [serverKind(row.server).title + closes(row), ...cells(row)]),
      ...absent.map((name) => [serverKind(name).title, `not installed: ${serverKind(name).missing() ?? ''}`]),
    ],
  )
}

/** A server that closes after each answer is measured with new connections in either case. */
function closes({ server, connections, behindNginx }: Comparison): string {
  return connections === 'kept' && !behindNginx && !serverKind(server).keeps ? ' (closes each time)' : ''
}

function cells(row: Comparison): string[] {
  if (!row.cpuMicroseconds || !row.requestsPerSecond) return [`not all answered: ${row.failure ?? ''}`]
  const busy = row.generatorBusy ?? 0
  return [
    withSpread(row.cpuMicroseconds),
    row.ratio ? withSpread(row.ratio) : '',
    figure(row.requestsPerSecond.median),
    `${figure(busy * 100)} %${busy > BUSY ? ' (!)' : ''}`,
  ]
}
