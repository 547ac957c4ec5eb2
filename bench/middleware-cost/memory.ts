/**
 * `npm run bench -- middleware-cost memory [--generations 30] [--rounds 16] [--protocol http]`: CPU time a request of an Express app with `memoryStats()` mounted and nobody looking, before
 * or after its routes, against the same app without. Processes that run side by side and are measured in turn,
 * for a short while each, so that what disturbs the machine disturbs all: a cost is a ratio within one round. Many generations
 * of them, because each process compiles its code a little differently, also where V8's seeds are the same, as they are in a
 * generation.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Generator } from '../generator.js'
import { nextMessage } from '../messages.js'
import { median, medianInterval, ratio } from '../stats.js'
import type { Protocol } from '../wire.js'

const SECONDS = 0.1
const WARM_UP_SECONDS = 2
const CLIENTS = 16
const VARIANTS = ['without', 'before', 'after'] as const
const MOUNTED = ['before', 'after'] as const

/**
 * V8's new space has the size that it reaches in a server that has run for some time. How soon it grows depends on what
 * survives as a process starts, and the larger it is, the more of it has to be fetched into the processor's cache.
 */
const NEW_SPACE = ['--min-semi-space-size=16', '--max-semi-space-size=16']

type Variant = typeof VARIANTS[number]

/** One process. */
class Server {
  readonly #process: ChildProcess
  readonly #protocol: Protocol
  readonly #address: string

  constructor(protocol: Protocol, variant: Variant, address: string, seed: number) {
    this.#protocol = protocol
    this.#address = address
    this.#process = fork(fileURLToPath(new URL('../servers/with-memory-stats.js', import.meta.url)), [protocol, variant, address], {
      execArgv: [...NEW_SPACE, `--random-seed=${String(seed)}`, `--hash-seed=${String(seed)}`],
    })
  }

  async listening(): Promise<this> {
    await nextMessage(this.#process)
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
    return Number(await nextMessage(this.#process))
  }
}

/** Of one generation: µs of CPU a request without, and how many times that each variant costs; medians of the rounds. */
async function generation(protocol: Protocol, address: string, generator: Generator, seed: number, rounds: number): Promise<Record<Variant, number>> {
  const variants = turned(VARIANTS, seed)
  const servers = await Promise.all(variants.map((variant) => new Server(protocol, variant, `${address}-${variant}`, seed).listening()))
  try {
    for (const server of servers) await server.measure(generator, WARM_UP_SECONDS)
    const costs: Record<Variant, number[]> = { without: [], before: [], after: [] }
    for (let round = 0; round < rounds; round++) {
      // Forth and back, so that a drift of the machine falls on all alike.
      const order = [...variants.entries()]
      for (const [index, variant] of round % 2 === 0 ? order : order.reverse()) costs[variant].push(await servers[index]?.measure(generator, SECONDS) ?? NaN)
    }
    const { without, before, after } = costs
    return { without: median(without), before: ratio(before, without).median, after: ratio(after, without).median }
  } finally {
    await Promise.all(servers.map((server) => server.stop()))
  }
}

/** Each is the first in turn: of three processes that do the same, the first to be warmed up costs one to three hundredths less. */
function turned<Value>(values: readonly Value[], by: number): Value[] {
  const first = by % values.length
  return [...values.slice(first), ...values.slice(0, first)]
}

async function compare(protocol: Protocol, directory: string, generator: Generator, { generations, rounds }: Counts): Promise<void> {
  const seen: Record<Variant, number>[] = []
  for (let count = 0; count < generations; count++) seen.push(await generation(protocol, path.join(directory, `${protocol}${String(count)}`), generator, count + 1, rounds))
  process.stdout.write(`${protocol}: ${median(seen.map(({ without }) => without)).toFixed(1)} µs of CPU a request without\n`)
  for (const variant of MOUNTED) {
    const { median: middle, min, max } = medianInterval(seen.map((ratios) => ratios[variant]))
    process.stdout.write(`  mounted ${variant} the routes: × ${middle.toFixed(3)} (${min.toFixed(3)}–${max.toFixed(3)})\n`)
  }
}

interface Counts {
  generations: number
  /** In each generation. */
  rounds: number
}

export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...args], options: {
    generations: { type: 'string', default: '30' }, rounds: { type: 'string', default: '16' }, protocol: { type: 'string' },
  } })
  const counts = { generations: Number(values.generations), rounds: Number(values.rounds) }
  const directory = mkdtempSync(path.join(tmpdir(), 'bench-'))
  const generator = Generator.start()
  try {
    process.stdout.write(`Node ${process.version}, medians of ${values.generations} generations of ${values.rounds} rounds; in brackets where the median is in 95 of 100 cases\n`)
    for (const protocol of ['http', 'fastcgi'] as const) {
      if (values.protocol === undefined || values.protocol === protocol) await compare(protocol, directory, generator, counts)
    }
  } finally {
    generator.stop()
    rmSync(directory, { recursive: true, force: true })
  }
}
