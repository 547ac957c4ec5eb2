/** `express-responder config`, run within the test: what it prints, and how it ends. */
import { Command, CommanderError } from 'commander'
import { addConfigCommand } from '../../../lib/cli/commands/config.js'

/** What the command has done. */
export interface Printed {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs `express-responder config` with these words. */
export async function runConfig(words: readonly string[]): Promise<Printed> {
  let stdout = ''
  let stderr = ''
  const program = new Command('express-responder')
    .exitOverride()
    .configureOutput({ writeOut: (text) => (stdout += text), writeErr: (text) => (stderr += text) })
  addConfigCommand(program)
  try {
    await program.parseAsync(['config', ...words], { from: 'user' })
    return { status: 0, stdout, stderr }
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    return { status: error.exitCode, stdout, stderr }
  }
}

/** The configuration that it prints. @throws Error where it refuses */
export async function config(...words: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await runConfig(words)
  if (status !== 0) throw new Error(stderr)
  return stdout
}
