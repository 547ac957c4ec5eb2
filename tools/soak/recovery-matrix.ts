/**
 * The whole matrix: every kind of failure in every phase, over every transport, on both versions of Express.
 *
 *   npm run soak -- recovery-matrix [--node FILE] [words that a cell's title must contain]
 *
 * Prints what was wrong, and a table; the exit status is 1 where anything was.
 */
import { execFileSync } from 'node:child_process'
import { parseArgs } from 'node:util'
import { allCells, isImpossibleOn, Stage, titleOf, type Cell } from '../../test/middleware/recovery/cell.js'
import { KINDS, PHASES } from '../../test/middleware/recovery/kinds.js'

const AT_ONCE = 3

export async function run(args: readonly string[]): Promise<void> {
  const { values, positionals } = parseArgs({ args: [...args], options: { node: { type: 'string', default: process.execPath } }, allowPositionals: true })
  const node = values.node
  const cells = allCells().filter((cell) => positionals.every((word) => titleOf(cell).includes(word)))
  const wrong = new Map<Cell, string[]>()
  const waiting = [...cells]

  const work = async (): Promise<void> => {
    const stage = new Stage(node)
    for (let cell = waiting.shift(); cell !== undefined; cell = waiting.shift()) {
      const found = await stage.run(cell)
      if (found.length === 0) continue
      wrong.set(cell, found)
      console.log(`${titleOf(cell)}:\n  ${found.join('\n  ')}`)
    }
    await stage.stop()
  }

  await Promise.all(Array.from({ length: AT_ONCE }, work))
  const version = execFileSync(node, ['--version'], { encoding: 'utf8' }).trim()
  console.log(`\n| ${version} | ${PHASES.join(' | ')} |\n|---|${PHASES.map(() => '---|').join('')}`)
  for (const [name, kind] of Object.entries(KINDS)) {
    const columns = PHASES.map((phase) => {
      const here = cells.filter((cell) => cell.name === name && cell.phase === phase)
      if (here.length === 0) return '–'
      const right = here.filter((cell) => !wrong.has(cell)).length
      return `${String(right)} of ${String(here.length)}${isImpossibleOn(kind, Number.parseInt(version.slice(1), 10)) ? ' end the process' : ''}`
    })
    console.log(`| ${name} | ${columns.join(' | ')} |`)
  }
  console.log(`\n${String(cells.length - wrong.size)} passed, ${String(wrong.size)} failed`)
  if (wrong.size > 0) process.exitCode = 1
}
