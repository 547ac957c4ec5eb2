/** The commands `status` and `top`, as the command line has them. */
import { Command, CommanderError } from 'commander'
import { addStatusCommand } from '../../../lib/cli/commands/status.js'
import { addTopCommand } from '../../../lib/cli/commands/top.js'
import { failed } from '../../../lib/cli/exit-codes.js'

const program = new Command('express-responder').exitOverride()
addStatusCommand(program)
addTopCommand(program)
for (const command of program.commands) command.exitOverride()
try {
  await program.parseAsync()
} catch (error) {
  process.exitCode = error instanceof CommanderError ? 2 : failed(error)
}
