/** Thresholds of the verdict. Written by `npm run series -- fit` from the recordings in test/fixtures/leak-series/fitting.ndjson.gz. */
import { CHOSEN, type Thresholds } from './growth-state.js'

/** Of the live heap and of external memory. */
export const COLLECTED: Thresholds = { overLoad: 7, overStep: -2, overFilling: -2, recent: 0.4, share: 0.1, ...CHOSEN }

/** Of the part of RSS that V8 knows nothing about. */
export const REMAINDER: Thresholds = { overLoad: 7, overStep: -1, overFilling: -3, recent: 0.6, share: 0.05, ...CHOSEN }
