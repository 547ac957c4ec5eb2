#!/usr/bin/env node
/** The command `express-responder`: reads the command line, and hands over to the command that is meant. */
import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { codeOf } from '../../shared/errors.js'
import { ExitCode } from './exit-codes.js'
import { check } from './commands/check.js'
import { addConfigCommand } from './commands/config.js'
import { addDoctorCommand } from './commands/doctor.js'
import { reload } from './commands/reload.js'
import { run } from './commands/run.js'
import { addStatusCommand } from './commands/status.js'
import { addTopCommand } from './commands/top.js'
import { SCHEMA, flagOf, resolveSockets, type CommandLine } from './options.js'

type Action = (line: CommandLine) => Promise<number>

/** Ends the process with what a command returns. */
async function end(result: Promise<number>): Promise<void> {
  process.exit(await result)
}

/** The options of the schema as flags. */
function addOptions(command: Command): Command {
  for (const [name, schema] of Object.entries(SCHEMA.shape)) {
    const { description = '', value } = (schema.meta() ?? {}) as { description?: string, value?: string }
    if (description === '') continue
    if (value !== undefined) command.option(`${flagOf(name)} <${value}>`, description)
    else command.option(`${flagOf(name)} [boolean]`, description)
  }
  return command.option('--config <file>', 'configuration file, of JSON')
}

function lineOf(module: string | undefined, { config, ...options }: Readonly<Record<string, unknown>>): CommandLine {
  return { module, config: typeof config === 'string' ? config : undefined, options }
}

function act(command: Command, action: Action): void {
  command.action((module: string | undefined, options: Readonly<Record<string, unknown>>) => end(action(lineOf(module, options))))
}

function version(): string {
  const { version: text } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as { version: string }
  return text
}

/** The command line of the whole program. */
export function createProgram(): Command {
  const program = new Command('express-responder')
    .description('Runs an Express app behind a web server, over FastCGI.')
    .version(version(), '-v, --version')
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .exitOverride()
  addOptions(program.argument('[module]', 'the file that exports the app'))
  act(program, run)
  act(addOptions(program.command('check').argument('[module]').description('load the app and check the options, without listening')), check)
  program.command('reload').description('load new code and configuration in a running process')
    .option('--socket <path>', 'the socket that it listens on')
    .option('--control-socket <path>', 'its control socket')
    .action((options: Readonly<Record<string, unknown>>) => end((async () => reload(resolveSockets(options, process.env)))()))
  addStatusCommand(program)
  addTopCommand(program)
  addConfigCommand(program)
  addDoctorCommand(program)
  return program
}

async function main(): Promise<void> {
  try {
    await createProgram().parseAsync()
  } catch (error) {
    if (error instanceof CommanderError) process.exit(error.exitCode === 0 ? ExitCode.DONE : ExitCode.USAGE)
    process.stderr.write(`express-responder: ${error instanceof Error ? error.message : String(error)}\n`)
    process.exit(codeOf(error) === 'ERR_FCGI_OPTION' ? ExitCode.USAGE : ExitCode.FAILED)
  }
}

await main()
