/**
 * `npm run bench -- situations`: situations below saturation with a real Express server on loopback, the default
 * cap beside a fixed number and no cap, on a machine that does nothing else and on one with two busy programs. What is
 * measured is how many requests are refused, of which all could be answered.
 */
import { fork, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { nextMessage } from '../../messages.js'
import { quantile } from '../../stats.js'
import { Clients, type Outcomes } from './clients.js'
import { CAPS, type Cap } from './names.js'
import { SITUATIONS, type Situation } from './play.js'

const USAGE = `npm run bench -- situations [--machine idle|busy] [--caps default,64,none,toobusy-js,under-pressure] [--only 1,2]

Situations: ${SITUATIONS.map(({ name }, index) => `${String(index + 1)} ${name}`).join('; ')}.`

/** They end by themselves, too, should this process be killed. */
const BUSY_PROGRAM = 'const end = Date.now() + 600000; while (Date.now() < end);'
const BUSY_PROGRAMS = 2

export async function run(args: readonly string[]): Promise<void> {
  if (args.includes('--help')) {
    process.stdout.write(`${USAGE}\n`)
    return
  }
  const value = (name: string): string | undefined => (args.includes(name) ? args[args.indexOf(name) + 1] : undefined)
  const caps = CAPS.filter((cap) => value('--caps')?.split(',').includes(cap) ?? true)
  const only = value('--only')?.split(',').map(Number)
  const situations = SITUATIONS.filter((_situation, index) => only?.includes(index + 1) ?? true)
  for (const machine of ['idle', 'busy']) {
    if ((value('--machine') ?? machine) === machine) await measure(machine, situations, caps)
  }
}

async function measure(machine: string, situations: readonly Situation[], caps: readonly Cap[]): Promise<void> {
  const programs = machine === 'busy' ? Array.from({ length: BUSY_PROGRAMS }, () => spawn(process.execPath, ['-e', BUSY_PROGRAM])) : []
  process.stdout.write(`\n${machine} machine: refused or failed of all · p99 of the quick ones, ms\n\n| | ${caps.join(' | ')} |\n|---|${'---|'.repeat(caps.length)}\n`)
  const sums = new Map<Cap, Outcomes>()
  try {
    for (const situation of situations) {
      const cells: string[] = []
      for (const cap of caps) {
        const seen = await play(situation, cap)
        add(sums, cap, seen)
        cells.push(`${counted(seen)}${seen.quick.length > 0 ? ` · ${quantile(seen.quick, 0.99).toFixed(0)}` : ''}`)
      }
      process.stdout.write(`| ${situation.name} | ${cells.join(' | ')} |\n`)
    }
  } finally {
    for (const program of programs) program.kill('SIGKILL')
  }
  process.stdout.write(`| all | ${[...sums.values()].map(counted).join(' | ')} |\n`)
}

async function play({ seconds, background = false, play }: Situation, cap: Cap): Promise<Outcomes> {
  const server = fork(fileURLToPath(new URL('server.js', import.meta.url)), [cap, background ? 'background' : ''])
  try {
    const clients = new Clients(Number(await nextMessage(server)), seconds)
    await play(clients)
    clients.leave()
    return clients.seen
  } finally {
    server.kill('SIGKILL')
  }
}

function add(sums: Map<Cap, Outcomes>, cap: Cap, { answered, refused, failed }: Outcomes): void {
  const sum = sums.get(cap) ?? { answered: 0, refused: 0, failed: 0, quick: [] }
  sum.answered += answered
  sum.refused += refused
  sum.failed += failed
  sums.set(cap, sum)
}

function counted({ answered, refused, failed }: Outcomes): string {
  return `${String(refused)}${failed > 0 ? ` and ${String(failed)}` : ''} of ${String(answered + refused + failed)}`
}
