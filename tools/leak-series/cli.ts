/** `npm run series`: the recorded series that the leak detector's thresholds are fitted and judged on. */
import { runCommand } from '../command-line.js'

await runCommand('npm run series', {
  record: { summary: 'records the series of a set: fitting, judging or slow', load: () => import('./record.js') },
  fit: { summary: 'chooses the thresholds on the recordings for fitting, and writes them (--print: only shows them)', load: () => import('./fit.js') },
  judge: { summary: 'counts what is found and missed: fitting and judging (made-up apps), slow (recorded ones)', load: () => import('./judge.js') },
}, process.argv.slice(2))
