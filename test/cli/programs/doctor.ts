/** The command alone, as the program that users run has it among others. */
import { Command, CommanderError } from 'commander'
import { addDoctorCommand } from '../../../lib/cli/commands/doctor.js'

const program = new Command('express-responder').exitOverride()
addDoctorCommand(program)
try {
  await program.parseAsync()
} catch (error) {
  if (!(error instanceof CommanderError)) throw error
  process.exitCode = error.exitCode === 0 ? 0 : 2
}
