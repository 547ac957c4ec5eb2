/** A slice of `npm run soak -- concurrency-hostile`, which sends a million. */
import { expect, it } from '@jest/globals'
import { concurrencyLimit } from '../../../middleware/concurrency.js'
import { beHostile } from './hostile.js'

const REQUESTS = 15_000

it.each([
  ['a fixed limit', 5, 5],
  ['a limit that tunes itself', { min: 2, max: 5, initial: 5 }, 5],
])('%s: whatever clients and handlers do, no slot is lost, and none is held twice', async (_name, limit, most) => {
  const cap = concurrencyLimit({ limit, queue: { max: 10, timeout: 10 }, maxHold: 20 })
  const outcome = await beHostile(cap, REQUESTS, 7)
  cap.close()
  expect(outcome).toMatchObject({ active: 0, waiting: 0, handledAfterLeaving: 0, handled: outcome.accepted })
  expect(outcome.mostAtOnce).toBeLessThanOrEqual(most)
  for (const count of [outcome.accepted, outcome.rejected, outcome.abandoned, outcome.leaked]) expect(count).toBeGreaterThan(0)
}, 120_000)
