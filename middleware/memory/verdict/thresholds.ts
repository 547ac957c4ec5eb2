/** Thresholds of the verdict. Written by `npm run fit:verdict` from the series in test/middleware/memory/series/fitting. */
import type { Thresholds } from './tendency.js'

/** Of the live heap and of external memory. */
export const COLLECTED: Thresholds = { likeness: 0.15, effect: 1.5, concordance: 0.6, recent: 0.6, share: 0.03, hold: 6 }

/** Of the part of RSS that V8 knows nothing about. */
export const REMAINDER: Thresholds = { likeness: 0.15, effect: 1, concordance: 0.4, recent: 0.8, share: 0.12, hold: 8 }
