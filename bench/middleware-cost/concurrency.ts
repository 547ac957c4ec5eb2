/**
 * `npm run bench -- middleware-cost concurrency [--rounds 21] [--node FILE]`: what `concurrencyLimit()` adds to a request that finds a
 * slot free, in CPU time. A process for each contender, with Node's own HTTP server on connections in memory: all that a request costs in
 * JavaScript, and no kernel, so that microseconds can be seen. The contenders take turns.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { nextMessage } from '../messages.js'
import { spread } from '../stats.js'
import { CONTENDERS, REQUESTS } from './contenders.js'

async function measure(child: ChildProcess): Promise<number> {
  child.send('again')
  return Number(await nextMessage(child))
}

function shown(values: readonly number[]): string {
  const { median, min, max } = spread(values)
  return `${median.toFixed(2)} (${min.toFixed(2)}–${max.toFixed(2)})`
}

async function compare(face: string, rounds: number, node: string): Promise<void> {
  const program = fileURLToPath(new URL('programs/in-memory-server.js', import.meta.url))
  const children = new Map<string, ChildProcess>()
  for (const name of ['none', ...Object.keys(CONTENDERS)]) {
    const child = fork(program, [face, name], { execPath: node })
    await nextMessage(child)
    children.set(name, child)
  }
  const costs = new Map<string, number[]>([...children.keys()].map((name) => [name, []]))
  for (let round = 0; round < rounds; round++) {
    for (const [name, child] of children) costs.get(name)?.push(await measure(child))
  }
  for (const child of children.values()) child.kill()
  const base = costs.get('none') ?? []
  process.stdout.write(`${face}: the request itself ${shown(base)}\n`)
  for (const [name, title] of Object.entries(CONTENDERS)) {
    const added = (costs.get(name) ?? []).map((cost, round) => cost - (base[round] ?? NaN))
    process.stdout.write(`  added by ${title}: ${shown(added)}\n`)
  }
}

export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...args], options: { rounds: { type: 'string', default: '21' }, node: { type: 'string', default: process.execPath } } })
  process.stdout.write(`µs of CPU a request, medians of ${values.rounds} rounds of ${String(REQUESTS)} (least–most), ${values.node}\n`)
  for (const face of ['plain http', 'Express']) await compare(face, Number(values.rounds), values.node)
}
