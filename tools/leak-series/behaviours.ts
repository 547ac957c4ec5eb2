/** What recorded apps do with memory: all behaviours by name, each a leak or harmless. */
import { BUSY_HARMLESS, BUSY_LEAKS } from './behaviours/busy.js'
import { HARMLESS } from './behaviours/harmless.js'
import { LEAKS } from './behaviours/leaks.js'
import { SLOW_HARMLESS, SLOW_LEAKS } from './behaviours/slow.js'
import type { Step, Surroundings } from './behaviours/step.js'

export interface Behaviour {
  kind: 'leak' | 'harmless'
  start: (surroundings: Surroundings) => Step
}

/** Those of hours, of which the sets `fitting` and `judging` have all. */
export const HOURS: readonly string[] = [...Object.keys(LEAKS), ...Object.keys(HARMLESS)]

export const BEHAVIOURS: Readonly<Record<string, Behaviour>> = Object.fromEntries([
  ...Object.entries({ ...LEAKS, ...SLOW_LEAKS, ...BUSY_LEAKS }).map(([name, start]): [string, Behaviour] => [name, { kind: 'leak', start }]),
  ...Object.entries({ ...HARMLESS, ...SLOW_HARMLESS, ...BUSY_HARMLESS }).map(([name, start]): [string, Behaviour] => [name, { kind: 'harmless', start }]),
])
