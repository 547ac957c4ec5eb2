/** What `npm run series` can do with the recorded series of memory. */
import type { Command } from '../command-line.js'

export const PROGRAM = 'npm run series --'

export const COMMANDS: Readonly<Record<string, Command>> = {
  record: { summary: 'records the series of a set: fitting, judging or slow', load: () => import('./record.js') },
  fit: { summary: 'chooses the thresholds on the recordings for fitting, and writes them (--print: only shows them)', load: () => import('./fit.js') },
  judge: { summary: 'counts what is found and missed: fitting and judging (made-up apps), slow (recorded ones)', load: () => import('./judge.js') },
}
