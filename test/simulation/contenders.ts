/** All that are compared. */
import type { ContenderKind } from './contender.js'
import { adaptive } from './contenders/adaptive.js'
import { meanDelay, toobusy } from './contenders/delay.js'
import { gradient2, vegas } from './contenders/netflix.js'
import { boundedFifo, none, pLimitAlone } from './contenders/simple.js'

const SLOTS = 10
const QUEUE = 100

export const ours: ContenderKind = adaptive

export const others: readonly ContenderKind[] = [
  none,
  pLimitAlone(SLOTS),
  boundedFifo(SLOTS, QUEUE),
  toobusy,
  meanDelay,
  vegas,
  gradient2,
]
