/** What `npm run series` can do with the recorded series of memory. */
import type { Command } from '../command-line.js'

export const PROGRAM = 'npm run series --'

export const COMMANDS: Readonly<Record<string, Command>> = {
  record: { summary: 'records the series of a set: fitting, judging, slow, busy-fitting or busy', load: () => import('./record.js') },
  fit: { summary: 'chooses the thresholds on the recordings for fitting, and writes them (--print: only shows them)', load: () => import('./fit.js') },
  judge: { summary: 'counts what is found and missed of made-up apps (fitting, judging, wide, fresh, varied) or recorded ones (slow, busy-fitting, busy)', load: () => import('./judge.js') },
}
