/**
 * `npm run bench:memory-cost`: CPU time a request of an Express app with `memoryStats()` mounted and nobody looking, before
 * or after its routes, against the same app without. Processes that run side by side and are measured in turn,
 * for a short while each, so that what disturbs the machine disturbs all: a cost is a ratio within one round. Many generations
 * of them, because each process compiles its code a little differently, also where V8's seeds are the same, as they are in a
 * generation. Arguments: generations, rounds in each, and a protocol where it is to be one alone.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { Generator } from './generator.js'
import { ratio, spread } from './measure.js'
import type { Protocol } from './wire.js'

const GENERATIONS = Number(process.argv[2] ?? 30)
const ROUNDS = Number(process.argv[3] ?? 16)
const SECONDS = 0.1
const WARM_UP_SECONDS = 2
const CLIENTS = 16
/** Of the normal distribution, two-sided. */
const Z_95 = 1.96
const SUBJECTS = ['without', 'before', 'after'] as const
const MOUNTED = ['before', 'after'] as const

/**
 * V8's new space has the size that it reaches in a server that has run for some time. How soon it grows depends on what
 * survives as a process starts, and the larger it is, the more of it has to be fetched into the processor's cache.
 */
const NEW_SPACE = ['--min-semi-space-size=16', '--max-semi-space-size=16']

type Subject = typeof SUBJECTS[number]

/** One process. */
class Server {
  readonly #process: ChildProcess
  readonly #protocol: Protocol
  readonly #address: string

  constructor(protocol: Protocol, subject: Subject, address: string, seed: number) {
    this.#protocol = protocol
    this.#address = address
    this.#process = fork(fileURLToPath(new URL('servers/memory-subject.js', import.meta.url)), [protocol, subject, address], {
      execArgv: [...NEW_SPACE, `--random-seed=${String(seed)}`, `--hash-seed=${String(seed)}`],
    })
  }

  async listening(): Promise<this> {
    await once(this.#process, 'message')
    return this
  }

  /** Microseconds of CPU a request. */
  async measure(generator: Generator, seconds: number): Promise<number> {
    const before = await this.#cpu()
    const { requests, failures, firstFailure } = await generator.run({
      address: { path: this.#address }, protocol: this.#protocol, case: 'hello', keep: true, clients: CLIENTS, seconds,
    })
    if (failures > 0) throw new Error(firstFailure)
    return (await this.#cpu() - before) / requests
  }

  async stop(): Promise<void> {
    const gone = once(this.#process, 'exit')
    this.#process.disconnect()
    await gone
  }

  async #cpu(): Promise<number> {
    this.#process.send('cpu')
    const [microseconds] = await once(this.#process, 'message') as [number]
    return microseconds
  }
}

function quantile(values: readonly number[], share: number): number {
  return [...values].sort((one, other) => one - other)[Math.round(share * (values.length - 1))] ?? NaN
}

/** Of one generation: µs of CPU a request without, and how many times that each subject costs; medians of the rounds. */
async function generation(protocol: Protocol, address: string, generator: Generator, seed: number): Promise<Record<Subject, number>> {
  const subjects = turned(SUBJECTS, seed)
  const servers = await Promise.all(subjects.map((subject) => new Server(protocol, subject, `${address}-${subject}`, seed).listening()))
  try {
    for (const server of servers) await server.measure(generator, WARM_UP_SECONDS)
    const costs: Record<Subject, number[]> = { without: [], before: [], after: [] }
    for (let round = 0; round < ROUNDS; round++) {
      // Forth and back, so that a drift of the machine falls on all alike.
      const order = [...subjects.entries()]
      for (const [index, subject] of round % 2 === 0 ? order : order.reverse()) costs[subject].push(await servers[index]?.measure(generator, SECONDS) ?? NaN)
    }
    const { without, before, after } = costs
    return { without: spread(without).median, before: ratio(before, without).median, after: ratio(after, without).median }
  } finally {
    await Promise.all(servers.map((server) => server.stop()))
  }
}

/** Each is the first in turn: of three processes that do the same, the first to be warmed up costs one to three hundredths less. */
function turned<Value>(values: readonly Value[], by: number): Value[] {
  const first = by % values.length
  return [...values.slice(first), ...values.slice(0, first)]
}

/** Where the median of so many values is in 95 of 100 cases, as shares of them in order: the sign test's interval. */
function medianWithin(count: number): [from: number, to: number] {
  const reach = Z_95 / 2 / Math.sqrt(count)
  return [Math.max(0, 0.5 - reach), Math.min(1, 0.5 + reach)]
}

async function compare(protocol: Protocol, directory: string, generator: Generator): Promise<void> {
  const seen: Record<Subject, number>[] = []
  for (let count = 0; count < GENERATIONS; count++) seen.push(await generation(protocol, path.join(directory, `${protocol}${String(count)}`), generator, count + 1))
  process.stdout.write(`${protocol}: ${quantile(seen.map(({ without }) => without), 0.5).toFixed(1)} µs of CPU a request without\n`)
  for (const subject of MOUNTED) {
    const [median, from, to] = [0.5, ...medianWithin(seen.length)].map((share) => quantile(seen.map((ratios) => ratios[subject]), share).toFixed(3))
    process.stdout.write(`  mounted ${subject} the routes: × ${String(median)} (${String(from)}–${String(to)})\n`)
  }
}

const directory = mkdtempSync(path.join(tmpdir(), 'bench-'))
const generator = Generator.start()
try {
  process.stdout.write(`Node ${process.version}, medians of ${String(GENERATIONS)} generations of ${String(ROUNDS)} rounds; in brackets where the median is in 95 of 100 cases\n`)
  for (const protocol of ['http', 'fastcgi'] as const) {
    if (process.argv[4] === undefined || process.argv[4] === protocol) await compare(protocol, directory, generator)
  }
} finally {
  generator.stop()
  rmSync(directory, { recursive: true, force: true })
}
