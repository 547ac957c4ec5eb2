/**
 * `npm run bench:memory-cost`: CPU time a request of an Express app with `memoryStats()` mounted and nobody looking, against
 * the same app without, and with another middleware on that path. Processes that run side by side and are measured in turn,
 * for a short while each, so that what disturbs the machine disturbs all; several generations of them, because each process
 * compiles its code a little differently, also where V8's seeds are the same, as they are in a generation. Arguments: generations,
 * rounds in each, and a protocol where it is to be one alone.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { Generator } from './generator.js'
import type { Protocol } from './wire.js'

const GENERATIONS = Number(process.argv[2] ?? 8)
const ROUNDS = Number(process.argv[3] ?? 10)
const SECONDS = 0.2
const WARM_UP_SECONDS = 3
const CLIENTS = 16
const SUBJECTS = ['without', 'path', 'mounted'] as const
const TITLES = { path: 'a path that nobody asks for', mounted: 'memoryStats() mounted' } as const

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
      execArgv: [`--random-seed=${String(seed)}`, `--hash-seed=${String(seed)}`],
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

/** The median of each subject in one generation, µs of CPU a request. */
async function generation(protocol: Protocol, address: string, generator: Generator, seed: number): Promise<Record<Subject, number>> {
  const servers = await Promise.all(SUBJECTS.map((subject) => new Server(protocol, subject, `${address}-${subject}`, seed).listening()))
  try {
    for (const server of servers) await server.measure(generator, WARM_UP_SECONDS)
    const costs: number[][] = servers.map(() => [])
    for (let round = 0; round < ROUNDS; round++) {
      // Forth and back, so that a drift of the machine falls on all alike.
      const order = [...servers.keys()]
      for (const index of round % 2 === 0 ? order : order.reverse()) costs[index]?.push(await servers[index]?.measure(generator, SECONDS) ?? NaN)
    }
    const [without = NaN, alone = NaN, mounted = NaN] = costs.map((values) => quantile(values, 0.5))
    return { without, path: alone, mounted }
  } finally {
    await Promise.all(servers.map((server) => server.stop()))
  }
}

async function compare(protocol: Protocol, directory: string, generator: Generator): Promise<void> {
  const seen: Record<Subject, number>[] = []
  for (let count = 0; count < GENERATIONS; count++) seen.push(await generation(protocol, path.join(directory, `${protocol}${String(count)}`), generator, count + 1))
  process.stdout.write(`${protocol}: ${quantile(seen.map(({ without }) => without), 0.5).toFixed(1)} µs of CPU a request without\n`)
  for (const subject of ['path', 'mounted'] as const) {
    const ratios = seen.map((costs) => costs[subject] / costs.without)
    const spread = [0.5, 0.25, 0.75].map((share) => quantile(ratios, share).toFixed(3))
    process.stdout.write(`  ${TITLES[subject]}: × ${String(spread[0])} (${String(spread[1])}–${String(spread[2])})\n`)
  }
}

const directory = mkdtempSync(path.join(tmpdir(), 'bench-'))
const generator = Generator.start()
try {
  process.stdout.write(`Node ${process.version}, medians of ${String(GENERATIONS)} generations of ${String(ROUNDS)} rounds; in brackets the middle half\n`)
  for (const protocol of ['http', 'fastcgi'] as const) {
    if (process.argv[4] === undefined || process.argv[4] === protocol) await compare(protocol, directory, generator)
  }
} finally {
  generator.stop()
  rmSync(directory, { recursive: true, force: true })
}
