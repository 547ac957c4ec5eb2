/** The project's targets: each measured and printed beside the figure that it must not exceed. */
import { countInstructions, missingForCallgrind } from './instructions.js'
import type { CaseName } from './cases.js'
import { Stage } from './compare.js'
import { runMeasurement } from './context.js'
import type { BenchContext } from './context.js'
import { ratio, scaled, spread } from './stats.js'
import type { Spread } from './stats.js'
import { measureMemory } from './memory.js'
import type { MemoryResult } from './memory.js'
import type { BenchOptions } from './options.js'
import { findProgram, versionOf } from './programs.js'
import { figure, table, withSpread } from './report.js'
import { serverKind } from './roster.js'
import type { ServerName } from './roster.js'
import { measureRounds } from './rounds.js'
import type { Samples } from './rounds.js'

/** What a target compares: two servers under the same load, in the same rounds. */
interface RatioTarget {
  what: string
  subject: ServerName
  reference: ServerName
  /** The most that the subject may cost, as a multiple of the reference. */
  atMost: number
}

/** Servers that are measured in the same rounds, and what is asked of them. */
interface Group {
  case: CaseName
  connections: 'kept' | 'new'
  behindNginx: boolean
  /** The major version of Node; the base one by default. */
  nodeMajor?: number
  targets: readonly RatioTarget[]
}

const ADAPTER: ServerName = 'express-fastcgi'
const EXPRESS: ServerName = 'express-http'
const KEPT = { connections: 'kept', behindNginx: false } as const

const GROUPS: readonly Group[] = [
  {
    case: 'hello',
    ...KEPT,
    targets: [
      { what: 'hello, kept, against Express over HTTP', subject: ADAPTER, reference: EXPRESS, atMost: 0.25 },
      { what: 'hello, kept, against the floor', subject: ADAPTER, reference: 'floor', atMost: 3 },
      { what: "hello, kept, against Go's bare handler", subject: ADAPTER, reference: 'go', atMost: 1 },
      { what: 'hello, kept, against php-fpm', subject: ADAPTER, reference: 'php', atMost: 1 },
      { what: 'bare handler, kept, against bare http', subject: 'bare-fastcgi', reference: 'bare-http', atMost: 0.95 },
    ],
  },
  {
    case: 'hello',
    connections: 'kept',
    behindNginx: true,
    targets: [
      { what: 'hello, behind nginx, against node-fastcgi', subject: ADAPTER, reference: 'node-fastcgi', atMost: 0.1 },
    ],
  },
  {
    case: 'hello',
    connections: 'new',
    behindNginx: false,
    targets: [
      { what: 'hello, new connections, against Express over HTTP', subject: ADAPTER, reference: EXPRESS, atMost: 0.45 },
      { what: 'hello, new connections, against php-fpm', subject: ADAPTER, reference: 'php', atMost: 1.3 },
    ],
  },
  {
    case: 'json',
    ...KEPT,
    targets: [{ what: '10 KB of JSON, against Express over HTTP', subject: ADAPTER, reference: EXPRESS, atMost: 0.5 }],
  },
  {
    case: 'download',
    ...KEPT,
    targets: [{ what: '1 MB response, against Express over HTTP', subject: ADAPTER, reference: EXPRESS, atMost: 0.6 }],
  },
  {
    case: 'upload',
    ...KEPT,
    targets: [{ what: '1 MB upload, against Express over HTTP', subject: ADAPTER, reference: EXPRESS, atMost: 0.3 }],
  },
  ...[20, 24].map(
    (nodeMajor): Group => ({
      case: 'hello',
      ...KEPT,
      nodeMajor,
      targets: [
        { what: `suite(), Node ${String(nodeMajor)}, against the app alone`, subject: 'suite-fastcgi', reference: ADAPTER, atMost: 1.5 },
        { what: `suite(), Node ${String(nodeMajor)}, against Express over HTTP with nothing mounted`, subject: 'suite-fastcgi', reference: EXPRESS, atMost: 0.35 },
        { what: `all four one by one, Node ${String(nodeMajor)}, against others' for the same jobs`, subject: 'all-fastcgi', reference: 'others-fastcgi', atMost: 1 },
        { what: `rateLimit(), Node ${String(nodeMajor)}, against the app alone`, subject: 'rate-limit-fastcgi', reference: ADAPTER, atMost: 1.2 },
        { what: `concurrencyLimit(), Node ${String(nodeMajor)}, against the app alone`, subject: 'auto-limit-fastcgi', reference: ADAPTER, atMost: 1.12 },
        { what: `suite() over HTTP, Node ${String(nodeMajor)}, against prepared(app) alone`, subject: 'suite-prepared', reference: 'nothing-prepared', atMost: 1.5 },
      ],
    }),
  ),
  ...[24, 26].map(
    (nodeMajor): Group => ({
      case: 'hello',
      connections: 'kept',
      behindNginx: true,
      nodeMajor,
      targets: [
        {
          what: `hello, behind nginx, Node ${String(nodeMajor)}, against Express over HTTP`,
          subject: ADAPTER,
          reference: EXPRESS,
          atMost: 0.95,
        },
      ],
    }),
  ),
]

const CALLGRIND_TARGET: RatioTarget = {
  what: 'hello, kept, against Express over HTTP, in instructions',
  subject: ADAPTER,
  reference: EXPRESS,
  atMost: 0.25,
}
const CALLGRIND_REQUESTS = 2000
const FEW_ROUNDS = 3

const MEGABYTE = 1_000_000
const MOST_GROWTH = 10 * MEGABYTE
const MOST_IDLE = 4096

/** One target with what was measured. */
export interface TargetResult {
  what: string
  /** The adapter's figure, with its unit. */
  subject?: Spread
  /** What it is held against. */
  reference?: Spread
  unit?: string
  /** The figure that is held against the target: a ratio, or the subject itself. */
  measured?: Spread
  target: string
  met?: boolean
  /** Why nothing was measured. */
  missing?: string
}

export function run(args: readonly string[]): Promise<void> {
  return runMeasurement({ command: 'targets', inRounds: true, measure: measureTargets }, args)
}

/** Measures every target, prints each as soon as it is known, and all in one table. */
export async function measureTargets(context: BenchContext): Promise<TargetResult[]> {
  const results: TargetResult[] = []
  const add = (rows: readonly TargetResult[]): void => {
    results.push(...rows)
    for (const row of rows) context.print(`${row.what}: ${verdict(row)}`)
  }
  for (const group of GROUPS) add(await measureGroup(group, context))
  add([await measureInstructions(context)])
  add(await measureMemoryTargets(context))
  context.print(`\n${targetsTable(results)}`)
  return results
}

async function measureGroup(group: Group, { options, directory, generator }: BenchContext): Promise<TargetResult[]> {
  const node = group.nodeMajor === undefined ? options.node : nodeOfMajor(group.nodeMajor, options)
  if (node === undefined) return group.targets.map((target) => absent(target, `--nodes with a Node ${String(group.nodeMajor)}`))
  if (group.behindNginx && findProgram('nginx') === undefined) {
    return group.targets.map((target) => absent(target, 'Debian package nginx'))
  }
  const wanted = new Set(group.targets.flatMap(({ subject, reference }) => [subject, reference]))
  const names = [...wanted].filter((name) => serverKind(name).missing() === undefined)
  const stage = await Stage.open(names, { directory, node, clients: options.clients, behindNginx: group.behindNginx })
  try {
    const samples = await measureRounds(
      generator,
      stage.servers.map((server) => stage.target(server, group.case)),
      { ...options, case: group.case, keep: group.connections === 'kept' },
    )
    const byName = new Map(names.map((name, index) => [name, samples[index]]))
    return group.targets.map((target) => ratioResult(target, byName))
  } finally {
    await stage.close()
  }
}

function absent(target: RatioTarget, missing: string): TargetResult {
  return { what: target.what, target: atMost(target), missing: `not measured: needs ${missing}` }
}

function ratioResult(target: RatioTarget, byName: ReadonlyMap<ServerName, Samples | undefined>): TargetResult {
  for (const name of [target.subject, target.reference]) {
    const missing = serverKind(name).missing()
    if (missing !== undefined) return absent(target, missing)
    const failure = byName.get(name)?.firstFailure
    if (failure !== undefined) return { what: target.what, target: atMost(target), missing: `${name} failed: ${failure}` }
  }
  const subject = byName.get(target.subject)?.cpuMicroseconds ?? []
  const reference = byName.get(target.reference)?.cpuMicroseconds ?? []
  const measured = ratio(subject, reference)
  return {
    what: target.what,
    subject: spread(subject),
    reference: spread(reference),
    unit: 'µs',
    measured,
    target: atMost(target),
    met: measured.median <= target.atMost,
  }
}

function atMost(target: RatioTarget): string {
  return `≤ ${String(target.atMost)} ×`
}

async function measureInstructions({ options, directory, generator }: BenchContext): Promise<TargetResult> {
  const missing = missingForCallgrind()
  if (missing !== undefined) return absent(CALLGRIND_TARGET, missing)
  const count = async (name: ServerName): Promise<Spread> => {
    const { instructions } = await countInstructions(generator, name, {
      directory,
      node: options.node,
      case: 'hello',
      requests: CALLGRIND_REQUESTS,
      rounds: FEW_ROUNDS,
    })
    return scaled(instructions, 1000)
  }
  const subject = await count(CALLGRIND_TARGET.subject)
  const reference = await count(CALLGRIND_TARGET.reference)
  const measured = {
    median: subject.median / reference.median,
    min: subject.min / reference.max,
    max: subject.max / reference.min,
  }
  return {
    what: CALLGRIND_TARGET.what,
    subject,
    reference,
    unit: 'k',
    measured,
    target: atMost(CALLGRIND_TARGET),
    met: measured.median <= CALLGRIND_TARGET.atMost,
  }
}

async function measureMemoryTargets({ options, directory }: BenchContext): Promise<TargetResult[]> {
  const settings = { directory, node: options.node, rounds: FEW_ROUNDS }
  const adapter = await measureMemory(ADAPTER, settings)
  const http = await measureMemory(EXPRESS, settings)
  const row = (
    what: string,
    pick: (result: MemoryResult) => Spread | undefined,
    most: { octets: number; target: string; unit: string; divisor: number },
  ): TargetResult => {
    const subject = pick(adapter)
    const reference = pick(http)
    if (!subject) return { what, target: most.target, missing: adapter.failure ?? 'failed' }
    return {
      what,
      subject: scaled(subject, most.divisor),
      ...(reference ? { reference: scaled(reference, most.divisor) } : {}),
      unit: most.unit,
      measured: scaled(subject, most.divisor),
      target: most.target,
      met: subject.median <= most.octets,
    }
  }
  const growth = { octets: MOST_GROWTH, target: '< 10 MB', unit: 'MB', divisor: MEGABYTE }
  const idle = { octets: MOST_IDLE, target: '≤ 4 KiB', unit: 'KiB', divisor: 1024 }
  return [
    row('1 GB to a client that stalls: growth of the resident set', (result) => result.stalledDownload, growth),
    row('1 GB for a paused reader: growth of the resident set', (result) => result.pausedUpload, growth),
    row('idle kept connections: heap and buffers of each', (result) => result.idleHeap, idle),
    row('idle kept connections: resident set of each', (result) => result.idleResident, idle),
  ]
}

function nodeOfMajor(major: number, { node, nodes }: BenchOptions): string | undefined {
  return [node, ...nodes].find((binary) => versionOf(binary).startsWith(`v${String(major)}.`))
}

function verdict({ measured, target, met, missing }: TargetResult): string {
  if (!measured) return missing ?? ''
  return `${withSpread(measured)}, target ${target}: ${met === true ? 'met' : 'NOT met'}`
}

/** All targets in one table. */
export function targetsTable(results: readonly TargetResult[]): string {
  return table(
    ['', 'this adapter', 'held against', 'measured', 'target', ''],
    results.map(({ what, subject, reference, unit = '', measured, target, met, missing }) => {
      if (!subject || !measured) return [what, missing ?? '', '', '', target, '']
      return [
        what,
        `${figure(subject.median)} ${unit}`,
        reference ? `${figure(reference.median)} ${unit}` : '',
        withSpread(measured),
        target,
        met === true ? 'met' : 'not met',
      ]
    }),
  )
}
