/** `npm run bench`: the benchmark's command line. */
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import path from 'node:path'
import { compare } from './compare.js'
import { Generator } from './generator.js'
import { USAGE, parseOptions } from './options.js'
import type { BenchOptions } from './options.js'

function print(text: string): void {
  console.log(text)
}

async function main(options: BenchOptions): Promise<void> {
  const directory = await mkdtemp(path.join(tmpdir(), 'bench-'))
  const generator = Generator.start()
  const version = execFileSync(options.node, ['--version'], { encoding: 'utf8' }).trim()
  const machine = `Node ${version}, ${String(cpus().length)} × ${cpus()[0]?.model.trim() ?? 'unknown processor'}`
  print(
    `${machine}; medians of ${String(options.rounds)} rounds of ${String(options.seconds)} s, ` +
      `interleaved, with least and most; ${String(options.clients)} clients.`,
  )
  try {
    const results = await compare(options, directory, generator, print)
    await writeFile(options.json, `${JSON.stringify({ machine, options, results }, null, 2)}\n`)
    print(`\nWritten to ${options.json}`)
  } finally {
    generator.stop()
    await rm(directory, { recursive: true, force: true })
  }
}

try {
  const options = parseOptions(process.argv.slice(2), process.execPath)
  if (options === 'help') print(USAGE)
  else await main(options)
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
