/**
 * Records the series of a set, some at a time, and puts them into its file:
 *
 *   npm run series -- record <set> [--only <part of a name>] [--seconds 30] [--missing] [--at-a-time 3]
 *
 * NODE24 names the binary for recipes of Node 24; all others run on the binary that runs this.
 */
import { fork } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { BEHAVIOURS } from './behaviours.js'
import { seeded } from '../../test/support/seeded.js'
import { SETS, readSet, writeSeries, type Recipe, type Series, type SetName } from './archive.js'
import { sendLoad } from './load.js'
import { RECIPES } from './recipes.js'

export async function run(args: readonly string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { only: { type: 'string', default: '' }, seconds: { type: 'string' }, missing: { type: 'boolean', default: false }, 'at-a-time': { type: 'string', default: '3' } },
  })
  const set = SETS.find((name) => name === positionals[0])
  if (set === undefined) throw new Error(`name a set: ${SETS.join(' or ')}`)
  const known = new Set(values.missing ? readSet(set).map(({ name }) => name) : [])
  const waiting = RECIPES[set].map((recipe) => values.seconds === undefined ? recipe : { ...recipe, duration: Number(values.seconds) })
    .filter((recipe) => nameOf(recipe).includes(values.only) && !known.has(nameOf(recipe)))
  const worker = async (): Promise<void> => {
    for (let recipe = waiting.shift(); recipe !== undefined; recipe = waiting.shift()) await recordOne(set, recipe)
  }
  await Promise.all(Array.from({ length: Number(values['at-a-time']) }, worker))
}

async function recordOne(into: SetName, recipe: Recipe): Promise<void> {
  const name = nameOf(recipe)
  try {
    const series = await record(name, recipe)
    writeSeries(into, [series])
    const { live } = series.collections
    process.stdout.write(`${name}: ${String(live.length)} major collections, live ${String(live[0])} to ${String(live.at(-1))} KiB\n`)
  } catch (error) {
    process.stdout.write(`${name}: ${String(error)}\n`)
    process.exitCode = 1
  }
}

export function nameOf({ behaviour, shape, seed, node }: Recipe): string {
  return `${BEHAVIOURS[behaviour]?.kind ?? 'unknown'}-${behaviour}-${shape}-${String(seed)}-node${String(node)}`
}

/** Runs the process of a recipe under its load, and asks it for what it has seen. */
export async function record(name: string, recipe: Recipe): Promise<Series> {
  const folder = mkdtempSync(join(tmpdir(), 'series-'))
  const socketPath = join(folder, 's')
  const child = fork(fileURLToPath(new URL('recorded-app.js', import.meta.url)), [JSON.stringify(recipe), socketPath], {
    execArgv: [`--max-old-space-size=${String(recipe.heap)}`, '--max-semi-space-size=1', '--heap-growing-percent=15'],
    ...(recipe.node === 24 && process.env['NODE24'] !== undefined ? { execPath: process.env['NODE24'] } : {}),
  })
  // That it is gone is told by its exit, not by what can no more be sent to it.
  child.on('error', () => undefined)
  try {
    await message(child)
    const { warmUp = 0, rate, shape, seed, duration } = recipe
    if (warmUp > 0) await sendLoad(socketPath, 'steady', rate, warmUp, seeded(seed + 2))
    child.send('begin')
    await sendLoad(socketPath, shape, rate, duration, seeded(seed + 1))
    const answer = message(child)
    child.send('stop')
    const recorded = await answer as Pick<Series, 'node' | 'heapLimit' | 'collections' | 'samples'>
    const kind = BEHAVIOURS[recipe.behaviour]?.kind ?? 'harmless'
    return { name, kind, recipe, ...recorded }
  } finally {
    child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  }
}

function message(child: ReturnType<typeof fork>): Promise<unknown> {
  return new Promise((resolve, reject) => {
    child.once('message', resolve)
    child.once('exit', (code, signal) => { reject(new Error(`ended with ${String(code ?? signal)}`)) })
  })
}
