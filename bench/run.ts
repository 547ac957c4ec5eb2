/** `npm run bench`: the benchmark's command line. */
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import path from 'node:path'
import { compareInstructions } from './callgrind.js'
import { compare } from './compare.js'
import type { BenchContext } from './context.js'
import { Generator } from './generator.js'
import { compareMemory } from './memory.js'
import { USAGE, parseOptions } from './options.js'
import type { BenchOptions, Mode } from './options.js'
import { measureTargets } from './targets.js'

function print(text: string): void {
  console.log(text)
}

/** What one run leaves behind as JSON. */
interface Written {
  machine: string
  options: BenchOptions
  results: unknown
}

async function main(options: BenchOptions): Promise<void> {
  if (process.platform !== 'linux') throw new Error('CPU time of other processes is read from /proc: this needs Linux')
  const version = execFileSync(options.node, ['--version'], { encoding: 'utf8' }).trim()
  const machine = `Node ${version}, ${String(cpus().length)} × ${cpus()[0]?.model.trim() ?? 'unknown processor'}`
  print(`${machine}\n${options.mode === 'compare' || options.mode === 'targets' ? `${howMeasured(options)}\n` : ''}`)
  const directory = await mkdtemp(path.join(tmpdir(), 'bench-'))
  const generator = Generator.start()
  try {
    const results = await MODES[options.mode]({ options, directory, generator, print })
    const written: Written = { machine, options, results }
    await writeFile(options.json, `${JSON.stringify(written, null, 2)}\n`)
    print(`\nWritten to ${options.json}`)
  } finally {
    generator.stop()
    await rm(directory, { recursive: true, force: true })
  }
}

function howMeasured({ rounds, seconds, clients }: BenchOptions): string {
  return (
    `CPU time of the server process and its children; medians of ${String(rounds)} interleaved rounds of ` +
    `${String(seconds)} s, with least and most; ${String(clients)} clients.`
  )
}

const MODES: Readonly<Record<Mode, (context: BenchContext) => Promise<unknown>>> = {
  compare,
  targets: measureTargets,
  callgrind: compareInstructions,
  memory: compareMemory,
}

try {
  const options = parseOptions(process.argv.slice(2), process.execPath)
  if (options === 'help') print(USAGE)
  else await main(options)
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
