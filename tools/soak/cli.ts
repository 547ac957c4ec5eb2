/** `npm run soak -- <name>`: the tests that take minutes. */
import { runCommand } from '../command-line.js'
import { COMMANDS, PROGRAM } from './commands.js'

await runCommand(PROGRAM, COMMANDS, process.argv.slice(2))
