/** Situations in which nobody needs to be turned away, with a seed that nothing was tuned with: nobody is. */
import { describe, expect, it } from '@jest/globals'
import { ours } from './contenders.js'
import { SITUATIONS, play } from './situations.js'

const SEEDS = [11]
/** In seconds of real time; a run takes less than one. */
const PATIENCE = 60_000

describe('nobody is turned away', () => {
  it.each(SITUATIONS.map((situation) => [situation.name, situation] as const))('%s', async (_name, situation) => {
    for (const seed of SEEDS) {
      const { asked, rejected } = await play(situation, ours, seed)
      expect(asked).toBeGreaterThan(10)
      expect(rejected).toBe(0)
    }
  }, PATIENCE)
})
