#!/usr/bin/env node
/** The command `express-responder`: reads the command line, and hands over to the command that is meant. */
import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { codeOf, withAddress } from '../../shared/errors.js'
import { checkNodeVersion } from '../../shared/node-version.js'
import { FastCgiError } from '../errors.js'
import { ExitCode, failed } from './exit-codes.js'
import { check } from './commands/check.js'
import { addConfigCommand } from './commands/config.js'
import { addDoctorCommand } from './commands/doctor.js'
import { checkRunning, isProbe } from './commands/probe.js'
import { reload } from './commands/reload.js'
import { run } from './commands/run.js'
import { addStatusCommand } from './commands/status.js'
import { addTopCommand } from './commands/top.js'
import { COMMANDS, longHelp, optionHelps, shortHelp } from './help.js'
import { nearest } from './nearest.js'
import { flagOf, resolveSockets, type CommandLine } from './options.js'

type Action = (line: CommandLine) => Promise<number>

/** Ends the process with what a command returns. */
async function end(result: Promise<number>): Promise<void> {
  process.exit(await result)
}

/** The options of the schema as flags, and help that fits a screen. */
function addOptions(command: Command, usage: string, of: 'program' | 'check' = 'program'): Command {
  for (const [name, { description, value }] of optionHelps()) {
    command.option(value === undefined ? `${flagOf(name)} [boolean]` : `${flagOf(name)} <${value}>`, description)
  }
  command.helpInformation = () => shortHelp(usage, of)
  command.on('option:help-all', () => {
    process.stdout.write(longHelp(usage, of))
    process.exit(ExitCode.DONE)
  })
  return command.option('--config <file>', 'configuration file, of JSON').option('--help-all', 'all options')
}

function lineOf(module: string | undefined, { config, ...options }: Readonly<Record<string, unknown>>): CommandLine {
  return { module, config: typeof config === 'string' ? config : undefined, options }
}

function act(command: Command, action: Action): void {
  command.action((module: string | undefined, options: Readonly<Record<string, unknown>>) => end(action(lineOf(module, options))))
}

/** Runs the app. A word that is no file, and nearly that of a command, was meant for it. */
async function runOrSuggest(line: CommandLine): Promise<number> {
  try {
    return await run(line)
  } catch (error) {
    const { module = '' } = line
    const meant = codeOf(error) === 'ERR_FCGI_APP' && /^[a-z]+$/.test(module) ? nearest(module, Object.keys(COMMANDS)) : undefined
    if (meant === undefined) throw error
    throw new FastCgiError('ERR_FCGI_APP', `there is no module and no command '${module}'. Did you mean ${meant}?`, { cause: error })
  }
}

/** `check` has two meanings: an app that could run, and a program that runs. */
function checkOrAsk(module: string | undefined, given: Readonly<Record<string, unknown>>): Promise<number> {
  const { live, ready, timeout, ...others } = given
  if (!isProbe(given)) return check(lineOf(module, given))
  return checkRunning(module, { live, ready, timeout }, Object.keys(others))
}

function version(): string {
  const { version: text } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as { version: string }
  return text
}

/** What commander says of a wrong command line, in one line as all else. */
function oneLine(text: string): string {
  return `express-responder: ${withAddress('ERR_FCGI_OPTION', text.replace(/^error: /, '').trim().replace(/\s*\n\s*/g, ' '))}\n`
}

/** The command line of the whole program. */
export function createProgram(): Command {
  const program = new Command('express-responder')
    .version(version(), '-v, --version')
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .configureOutput({
      outputError: (text, write) => {
        write(oneLine(text))
      },
    })
    .exitOverride()
  addOptions(program.argument('[module]', 'the file that exports the app'), 'express-responder <module> [options]')
  act(program, runOrSuggest)
  addOptions(program.command('check').argument('[module]').description(COMMANDS.check), 'express-responder check <module> [options] | --live|--ready <socket>', 'check')
    .option('--live <socket>')
    .option('--ready <socket>')
    .option('--timeout <time>')
    .action((module: string | undefined, given: Readonly<Record<string, unknown>>) => end(checkOrAsk(module, given)))
  program.command('reload').description(COMMANDS.reload)
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
    checkNodeVersion(process.versions.node, (message) => new FastCgiError('ERR_FCGI_UNSUPPORTED_NODE', message))
    await createProgram().parseAsync()
  } catch (error) {
    if (error instanceof CommanderError) process.exit(error.exitCode === 0 ? ExitCode.DONE : ExitCode.USAGE)
    process.exit(failed(error))
  }
}

await main()
