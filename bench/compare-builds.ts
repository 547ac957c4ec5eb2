/** A git revision against the working tree: the same programs on both packages, in one run, interleaved. */
import path from 'node:path'
import { ROOT, buildRevision } from './build.js'
import { CASES } from './cases.js'
import type { CaseName } from './cases.js'
import { runMeasurement } from './context.js'
import type { BenchContext } from './context.js'
import { countInstructions, missingForCallgrind } from './instructions.js'
import { launch } from './launch.js'
import type { LaunchOptions, Running } from './launch.js'
import { usage } from './options.js'
import { table, withSpread } from './report.js'
import { serverKind } from './roster.js'
import type { Command, ServerName } from './roster.js'
import { measureRounds } from './rounds.js'
import { ratio, scaled, spread } from './stats.js'
import type { Spread } from './stats.js'

const COMMAND = 'compare-builds'
/** What is measured where no `--servers` are given: those that are made of the package. */
const USUAL: readonly ServerName[] = ['express-fastcgi', 'bare-fastcgi', 'prepared-http']
const USUAL_CASES: readonly CaseName[] = ['hello', 'download']
const REQUESTS = 1000
const ROUNDS = 3
const THOUSAND = 1000

/** One server in one case, as the revision and as the working tree have it. */
export interface BuildComparison {
  server: ServerName
  case: CaseName
  connections: 'kept' | 'new'
  by: 'cpu' | 'instructions'
  /** µs of CPU time a request, or thousands of instructions. */
  before?: Spread
  now?: Spread
  /** `now` as a multiple of `before`. */
  ratio?: Spread
  /** Why there are no figures. */
  failure?: string
}

/** What is compared at once. */
interface Subject {
  server: ServerName
  case: CaseName
  connections: 'kept' | 'new'
}

export async function run(args: readonly string[]): Promise<void> {
  const [revision, ...given] = args
  if (revision === undefined || revision.startsWith('-')) {
    console.log(usage(`${COMMAND} <revision>`))
    if (revision !== '--help' && revision !== '-h') throw new RangeError(`${COMMAND} needs a git revision, such as HEAD~1 or main`)
    return
  }
  const rest = [
    ...(given.some((arg) => arg.startsWith('--servers')) ? [] : ['--servers', USUAL.join()]),
    ...(given.some((arg) => arg.startsWith('--cases')) ? [] : ['--cases', USUAL_CASES.join()]),
    ...given,
  ]
  await runMeasurement({ command: COMMAND, inRounds: true, measure: (context) => compareBuilds(revision, context) }, rest)
}

/** Builds the revision, measures it beside the working tree, and prints a row for each server, case and kind of connection. */
export async function compareBuilds(revision: string, context: BenchContext): Promise<BuildComparison[]> {
  const { options, directory, print } = context
  const built = await buildRevision(revision, path.join(directory, 'revision'))
  print(`${revision} (${built.commit}) against the working tree\n`)
  const results: BuildComparison[] = []
  try {
    for (const by of options.by) {
      const missing = by === 'instructions' ? missingForCallgrind() : undefined
      if (missing !== undefined) print(`Instructions are not counted: needs ${missing}`)
      else {
        const compareOne = by === 'cpu' ? compareCpu : compareInstructions
        const rows: BuildComparison[] = []
        for (const subject of subjects(context)) rows.push(await compareOne(subject, built.directory, context))
        results.push(...rows)
        print(`\n${buildsTable(by, rows)}`)
      }
    }
  } finally {
    await built.remove()
  }
  return results
}

function subjects({ options }: BenchContext): Subject[] {
  return options.connections.flatMap((connections) =>
    options.cases.flatMap((name) => options.servers
      .filter((server) => serverKind(server).isNode && serverKind(server).missing() === undefined)
      .map((server) => ({ server, case: name, connections }))))
}

/** The server program of the other build. */
function inBuild(directory: string): (command: Command) => Command {
  return ({ args, ...command }) => ({
    ...command,
    args: args.map((arg) => arg.startsWith(ROOT) ? path.join(directory, path.relative(ROOT, arg)) : arg),
  })
}

async function compareCpu(subject: Subject, revision: string, { options, directory, generator }: BenchContext): Promise<BuildComparison> {
  const settings: LaunchOptions = { directory, node: options.node, clients: options.clients }
  const servers: Running[] = []
  try {
    servers.push(await launch(subject.server, { ...settings, wrap: inBuild(revision) }))
    servers.push(await launch(subject.server, settings))
    const targets = servers.map(({ pid, address, kind }) => ({ pid, address, protocol: kind.protocol, keeps: kind.keeps }))
    const [before, now] = await measureRounds(generator, targets, { ...options, case: subject.case, keep: subject.connections === 'kept' })
    const failure = before?.firstFailure ?? now?.firstFailure
    if (before === undefined || now === undefined || failure !== undefined) return { ...subject, by: 'cpu', failure: failure ?? 'not measured' }
    return {
      ...subject,
      by: 'cpu',
      before: spread(before.cpuMicroseconds),
      now: spread(now.cpuMicroseconds),
      ratio: ratio(now.cpuMicroseconds, before.cpuMicroseconds),
    }
  } catch (error) {
    return { ...subject, by: 'cpu', failure: String(error) }
  } finally {
    await Promise.all(servers.map((server) => server.stop()))
  }
}

async function compareInstructions(subject: Subject, revision: string, { options, directory, generator }: BenchContext): Promise<BuildComparison> {
  const settings = { ...subject, directory, node: options.node, requests: REQUESTS, rounds: ROUNDS }
  try {
    const { instructions: before } = await countInstructions(generator, subject.server, { ...settings, wrap: inBuild(revision) })
    const { instructions: now } = await countInstructions(generator, subject.server, settings)
    return {
      ...subject,
      by: 'instructions',
      before: scaled(before, THOUSAND),
      now: scaled(now, THOUSAND),
      ratio: { median: now.median / before.median, min: now.min / before.max, max: now.max / before.min },
    }
  } catch (error) {
    return { ...subject, by: 'instructions', failure: String(error) }
  }
}

function buildsTable(by: 'cpu' | 'instructions', rows: readonly BuildComparison[]): string {
  const unit = by === 'cpu' ? 'CPU, µs a request' : 'thousand instructions a request'
  return table(
    ['server', 'case', 'connections', `before: ${unit}`, 'now', '× before'],
    rows.map(({ server, case: name, connections, before, now, ratio: change, failure }) => [
      serverKind(server).title,
      CASES[name].title,
      connections,
      ...(before && now && change ? [withSpread(before), withSpread(now), withSpread(change)] : [failure ?? 'not measured']),
    ]),
  )
}
