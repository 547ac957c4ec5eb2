/** What the commands that start servers and load them work with, and how one of them runs. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import path from 'node:path'
import { Generator } from './generator.js'
import { parseOptions, usage } from './options.js'
import type { BenchOptions } from './options.js'
import { versionOf } from './programs.js'

export interface BenchContext {
  options: BenchOptions
  /** For the sockets and files of this run; removed at its end. */
  directory: string
  generator: Generator
  print: (text: string) => void
}

/** A command that starts servers. */
export interface Measurement {
  command: string
  /** Whether what it prints is measured in rounds, as its first lines then say. */
  inRounds: boolean
  measure: (context: BenchContext) => Promise<unknown>
}

/** What one run leaves behind as JSON. */
interface Written {
  command: string
  machine: string
  options: BenchOptions
  results: unknown
}

/** Runs it with a load generator and a directory, and writes what it returns as JSON. */
export async function runMeasurement({ command, inRounds, measure }: Measurement, args: readonly string[]): Promise<void> {
  const options = parseOptions(args, process.execPath)
  if (options === 'help') {
    print(usage(command))
    return
  }
  if (process.platform !== 'linux') throw new Error('CPU time of other processes is read from /proc: this needs Linux')
  const version = versionOf(options.node)
  const machine = `Node ${version}, ${String(cpus().length)} × ${cpus()[0]?.model.trim() ?? 'unknown processor'}`
  print(`${machine}\n${inRounds ? `${howMeasured(options)}\n` : ''}`)
  const directory = await mkdtemp(path.join(tmpdir(), 'bench-'))
  const generator = Generator.start()
  try {
    const results = await measure({ options, directory, generator, print })
    const written: Written = { command, machine, options, results }
    await writeFile(options.json, `${JSON.stringify(written, null, 2)}\n`)
    print(`\nWritten to ${options.json}`)
  } finally {
    generator.stop()
    await rm(directory, { recursive: true, force: true })
  }
}

function print(text: string): void {
  console.log(text)
}

function howMeasured({ rounds, seconds, clients }: BenchOptions): string {
  return (
    `CPU time of the server process and its children; medians of ${String(rounds)} interleaved rounds of ` +
    `${String(seconds)} s, with least and most; ${String(clients)} clients.`
  )
}
