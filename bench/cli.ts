/** `npm run bench -- <command>`: the benchmarks' command line. */
import { runCommand } from '../tools/command-line.js'
import { COMMANDS, PROGRAM } from './commands.js'

await runCommand(PROGRAM, COMMANDS, process.argv.slice(2))
