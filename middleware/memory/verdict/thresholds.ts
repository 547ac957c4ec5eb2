/** Thresholds of the verdict. Written by `npm run fit:verdict` from the series in test/middleware/memory/series/fitting. */
import type { Thresholds } from './tendency.js'

/** Of the live heap and of external memory. */
export const COLLECTED: Thresholds = { likeness: 0.25, effect: 1, concordance: 0.6, recent: 0.5, share: 0.08, hold: 8 }

/** Of the part of RSS that V8 knows nothing about. */
export const REMAINDER: Thresholds = { likeness: 0.15, effect: 1.5, concordance: 0.6, recent: 0.7, share: 0.08, hold: 8 }
