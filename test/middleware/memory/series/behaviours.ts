/** What recorded apps do with memory: all behaviours by name, each a leak or harmless. */
import { HARMLESS } from './behaviours/harmless.js'
import { LEAKS } from './behaviours/leaks.js'
import type { Step, Surroundings } from './behaviours/step.js'

export interface Behaviour {
  kind: 'leak' | 'harmless'
  start: (surroundings: Surroundings) => Step
}

export const BEHAVIOURS: Readonly<Record<string, Behaviour>> = Object.fromEntries([
  ...Object.entries(LEAKS).map(([name, start]): [string, Behaviour] => [name, { kind: 'leak', start }]),
  ...Object.entries(HARMLESS).map(([name, start]): [string, Behaviour] => [name, { kind: 'harmless', start }]),
])
