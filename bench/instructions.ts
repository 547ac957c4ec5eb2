/**
 * User-space instructions a request, counted by valgrind's callgrind: they do not depend on what else
 * the machine does. What a run of N requests and one of 2 N differ by is N requests and nothing else.
 */
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { readFile, readdir } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import type { CaseName } from './cases.js'
import { descendants } from './cpu.js'
import { runMeasurement } from './context.js'
import type { BenchContext } from './context.js'
import type { Generator } from './generator.js'
import { launch } from './launch.js'
import type { Running } from './launch.js'
import type { Job } from './load.js'
import { spread } from './stats.js'
import type { Spread } from './stats.js'
import { findProgram } from './programs.js'
import { figure, table, withSpread } from './report.js'
import { serverKind } from './roster.js'
import type { Command, ServerName } from './roster.js'

const execute = promisify(execFile)

/** Few connections: under valgrind only the number of requests matters. */
const CLIENTS = 4
/** Requests before counting: V8 has then compiled what it will compile. */
const WARM_UP = 12_000
const MOST_SECONDS = 900

/** Instructions of one server. */
export interface Instructions {
  server: ServerName
  case: CaseName
  /** User-space instructions a request. */
  instructions: Spread
}

/** How to count. */
export interface CallgrindOptions {
  directory: string
  node: string
  case: CaseName
  /** Kept connections, or a new one for each request; kept by default. */
  connections?: 'kept' | 'new'
  /** Changes the command, for instance to the program of another build. */
  wrap?: (command: Command) => Command
  /** The N of the shorter run. */
  requests: number
  /** How often both runs are made. */
  rounds: number
}

/** The package to install for this mode, if it is missing. */
export function missingForCallgrind(): string | undefined {
  return findProgram('valgrind') === undefined ? 'Debian package valgrind' : undefined
}

const COMPARED = ['express-fastcgi', 'express-http', 'bare-fastcgi', 'bare-http', 'floor'] as const satisfies ServerName[]
const REQUESTS = 2000
const ROUNDS = 3

export function run(args: readonly string[]): Promise<void> {
  return runMeasurement({ command: 'instructions', inRounds: false, measure: compareInstructions }, args)
}

/** Counts the instructions of several servers and prints them as a table. @throws Error where valgrind is missing. */
export async function compareInstructions({ options, directory, generator, print }: BenchContext): Promise<Instructions[]> {
  const missing = missingForCallgrind()
  if (missing !== undefined) throw new Error(`valgrind is not installed: ${missing}`)
  const results: Instructions[] = []
  for (const name of COMPARED.filter((server) => options.servers.includes(server))) {
    const settings = { directory, node: options.node, case: 'hello', requests: REQUESTS, rounds: ROUNDS } as const
    const result = await countInstructions(generator, name, settings)
    results.push(result)
    print(`${serverKind(name).title}: ${withSpread(result.instructions)}`)
  }
  const reference = results.find(({ server }) => server === 'express-http')?.instructions.median
  const rows = results.map(({ server, instructions }) => [
    serverKind(server).title,
    withSpread(instructions),
    reference === undefined ? '' : figure(instructions.median / reference),
  ])
  print(`\n${table(['hello, connections kept', 'instructions a request', '× Express over HTTP'], rows)}`)
  return results
}

/** Counts one server's instructions a request. @throws Error where valgrind or the server fail. */
export async function countInstructions(
  generator: Generator,
  name: ServerName,
  options: CallgrindOptions,
): Promise<Instructions> {
  // A name of its own: the same server may be counted again, of another build.
  const output = path.join(options.directory, `callgrind-${name}-${randomUUID()}`)
  const server = await launch(name, {
    ...options,
    clients: CLIENTS,
    wrap: (plain) => {
      const { file, args, env } = options.wrap?.(plain) ?? plain
      return {
        file: 'valgrind',
        args: ['--quiet', '--tool=callgrind', '--trace-children=yes', '--instr-atstart=no', `--callgrind-out-file=${output}.%p`, file, ...args],
        ...(env === undefined ? {} : { env }),
      }
    },
  })
  // Of the command the worker, which is its only child; a server of its own has none.
  const pid = descendants(server.pid)[0] ?? server.pid
  try {
    const send = (requests: number): Promise<void> => sendExactly(generator, server, options, requests)
    await send(WARM_UP)
    await execute('callgrind_control', ['--instr=on', String(pid)])
    // Counting changes the timing, so V8 compiles some more: this round does not count.
    await send(2 * options.requests)
    const counts: number[] = []
    for (let round = 0; round < options.rounds; round += 1) {
      await dump(pid, output)
      await send(options.requests)
      const shorter = await dump(pid, output)
      await send(2 * options.requests)
      const longer = await dump(pid, output)
      counts.push((longer - shorter) / options.requests)
    }
    return { server: name, case: options.case, instructions: spread(counts) }
  } finally {
    await server.stop()
  }
}

async function sendExactly(generator: Generator, server: Running, { case: name, connections }: CallgrindOptions, requests: number): Promise<void> {
  const scriptFilename = server.kind.scriptFilename?.(name)
  const job: Job = {
    address: server.address,
    protocol: server.kind.protocol,
    case: name,
    keep: server.kind.keeps && connections !== 'new',
    clients: CLIENTS,
    requests,
    seconds: MOST_SECONDS,
    ...(scriptFilename === undefined ? {} : { scriptFilename }),
  }
  const result = await generator.run(job)
  if (result.requests !== requests) {
    throw new Error(`${server.name}: ${String(result.requests)} of ${String(requests)} answered: ${result.firstFailure ?? ''}`)
  }
}

/** Writes what was counted since the last dump, and returns it. */
async function dump(pid: number, output: string): Promise<number> {
  const before = await dumps(output)
  await execute('callgrind_control', ['--dump', String(pid)])
  const written = (await dumps(output)).filter((file) => !before.includes(file))
  let sum = 0
  for (const file of written) {
    const text = await readFile(file, 'utf8')
    const total = /^(?:totals|summary): (\d+)/m.exec(text)?.[1]
    sum += Number(total ?? 0)
  }
  return sum
}

async function dumps(output: string): Promise<string[]> {
  const directory = path.dirname(output)
  const names = await readdir(directory)
  return names.filter((name) => name.startsWith(`${path.basename(output)}.`)).map((name) => path.join(directory, name))
}
