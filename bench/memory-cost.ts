/**
 * `npm run bench:memory-cost`: CPU time a request of an Express app with `memoryStats()` mounted and nobody looking, against
 * the same app without. Both in one process and in turn, many times for a short while, so that what disturbs the machine
 * disturbs both; each figure is set beside its neighbours. Number of rounds: the first argument.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { Generator } from './generator.js'
import type { Protocol } from './wire.js'

const ROUNDS = Number(process.argv[2] ?? 60)
const SECONDS = 0.2
const WARM_UP_SECONDS = 3
const CLIENTS = 16

type Subject = 'without' | 'path alone' | 'mounted'
/** Forth and back, so that a drift of the machine falls on all alike. */
const ORDER: readonly Subject[] = ['without', 'path alone', 'mounted', 'mounted', 'path alone', 'without']

async function tell(server: ChildProcess, message: string): Promise<number> {
  server.send(message)
  const [cpu] = await once(server, 'message') as [number]
  return cpu
}

async function measure(server: ChildProcess, generator: Generator, address: string, protocol: Protocol, subject: Subject, seconds: number): Promise<number> {
  const before = await tell(server, subject === 'mounted' ? 'on' : 'off')
  const { requests, failures, firstFailure } = await generator.run({
    address: { path: subject === 'without' ? address : `${address}.mounted` }, protocol, case: 'hello', keep: true, clients: CLIENTS, seconds,
  })
  if (failures > 0) throw new Error(firstFailure)
  return (await tell(server, 'read') - before) / requests
}

function quantile(values: readonly number[], share: number): number {
  return [...values].sort((one, other) => one - other)[Math.round(share * (values.length - 1))] ?? NaN
}

/** Bounds of the median that hold 95 times of 100, by drawing from the values again and again. */
function interval(values: readonly number[]): [number, number] {
  const medians = Array.from({ length: 2000 }, () => quantile(values.map(() => values[Math.floor(Math.random() * values.length)] ?? NaN), 0.5))
  return [quantile(medians, 0.025), quantile(medians, 0.975)]
}

async function compare(protocol: Protocol, directory: string, generator: Generator): Promise<void> {
  const address = path.join(directory, protocol)
  const server = fork(fileURLToPath(new URL('servers/memory-switch.js', import.meta.url)), [protocol, address])
  try {
    await once(server, 'message')
    for (const subject of ORDER) await measure(server, generator, address, protocol, subject, WARM_UP_SECONDS / 2)
    const costs: Record<Subject, number[]> = { 'without': [], 'path alone': [], 'mounted': [] }
    for (let round = 0; round < ROUNDS; round++) {
      const seen: Record<Subject, number> = { 'without': 0, 'path alone': 0, 'mounted': 0 }
      for (const subject of ORDER) seen[subject] += await measure(server, generator, address, protocol, subject, SECONDS) / 2
      for (const subject of ['without', 'path alone', 'mounted'] as const) costs[subject].push(seen[subject])
    }
    process.stdout.write(`${protocol}: ${quantile(costs.without, 0.5).toFixed(1)} µs of CPU a request without\n`)
    for (const subject of ['path alone', 'mounted'] as const) {
      const ratios = costs[subject].map((cost, round) => cost / (costs.without[round] ?? NaN))
      const bounds = interval(ratios).map((bound) => bound.toFixed(3)).join('–')
      process.stdout.write(`  ${subject === 'mounted' ? 'memoryStats() mounted' : 'a path that nobody asks for'}: × ${quantile(ratios, 0.5).toFixed(3)} (${bounds})\n`)
    }
  } finally {
    server.disconnect()
  }
}

const directory = mkdtempSync(path.join(tmpdir(), 'bench-'))
const generator = Generator.start()
try {
  process.stdout.write(`Node ${process.version}, medians of ${String(ROUNDS)} rounds, in brackets where they lie 95 times of 100\n`)
  for (const protocol of ['http', 'fastcgi'] as const) await compare(protocol, directory, generator)
} finally {
  generator.stop()
  rmSync(directory, { recursive: true, force: true })
}
