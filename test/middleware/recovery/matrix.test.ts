import { afterAll, describe, expect, it } from '@jest/globals'
import { allCells, Stage, titleOf, TRANSPORTS, type Cell } from './cell.js'

/** Each kind in each of its phases once; transports and versions of Express take turns. `npm run soak -- recovery-matrix` has all. */
function slice(): Cell[] {
  const seen = new Map<string, number>()
  return allCells().filter((cell, index, all) => {
    const key = `${cell.name} ${cell.phase}`
    if (!seen.has(key)) seen.set(key, seen.size)
    const turn = seen.get(key) ?? 0
    return cell.transport === TRANSPORTS[turn % TRANSPORTS.length] && cell.express === (turn % 8 < 4 ? 4 : 5) && all[index] === cell
  })
}

const stage = new Stage()

afterAll(() => stage.stop())

describe('the matrix of failures', () => {
  it.each(slice().map((cell) => [titleOf(cell), cell] as const))('%s', async (_title, cell) => {
    expect(await stage.run(cell)).toEqual([])
  })
})
