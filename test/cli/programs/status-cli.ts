/** The commands `status` and `top`, as the command line has them. */
import { Command } from 'commander'
import { addStatusCommand } from '../../../lib/cli/commands/status.js'
import { addTopCommand } from '../../../lib/cli/commands/top.js'

const program = new Command('express-responder').exitOverride()
addStatusCommand(program)
addTopCommand(program)
for (const command of program.commands) command.exitOverride()
try {
  await program.parseAsync()
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = error instanceof Error && 'code' in error && String(error.code).startsWith('commander.') ? 2 : 1
}
