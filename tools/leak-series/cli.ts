/** `npm run series -- <command>`: the recorded series that the leak detector's thresholds are fitted and judged on. */
import { runCommand } from '../command-line.js'
import { COMMANDS, PROGRAM } from './commands.js'

await runCommand(PROGRAM, COMMANDS, process.argv.slice(2))
