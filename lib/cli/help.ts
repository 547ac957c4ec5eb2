/** The help of the command: a short one, which fits a screen, and a long one with all options. Pure. */
import { COMMON_OPTIONS, GROUPS, SCHEMA, flagOf, type OptionHelp } from './options.js'

/** The commands and what they do, one line each. */
export const COMMANDS = {
  check: 'load the app and check the options, without listening',
  reload: 'load new code and configuration in a running process',
  status: 'print the status of a program that runs',
  top: 'watch the workers of a program that runs',
  config: 'print a configuration for a web server, or units for systemd',
  doctor: 'find out why the web server does not reach the app',
} as const

/** How wide the part with the flags is at most. */
const WIDTH = 28
const COMMAND_WIDTH = 10

/** The options of the schema that are flags, with what the help says of each. */
export function optionHelps(): readonly (readonly [name: string, help: OptionHelp])[] {
  return Object.entries(SCHEMA.shape).flatMap(([name, schema]) => {
    const help = schema.meta() as OptionHelp | undefined
    return help === undefined ? [] : [[name, help] as const]
  })
}

function row(left: string, right: string, width = WIDTH): string {
  return `  ${left.length < width ? left.padEnd(width) : `${left} `}${right}`
}

function optionRow(name: string, { description, value }: OptionHelp): string {
  return row(value === undefined ? flagOf(name) : `${flagOf(name)} <${value}>`, description)
}

const GENERAL = [row('--config <file>', 'configuration file, of JSON'), row('-v, --version', 'the version'), row('-h, --help', 'this; --help-all shows all options')]

/** What `check` can ask a program that runs. */
const PROBES = ['Of a program that runs:', row('--live <socket>', 'exit status 0 if it lives'), row('--ready <socket>', 'exit status 0 if it is ready'), row('--timeout <time>', 'how long that may take (5s)')]

/**
 * At most 24 lines of 80 columns.
 *
 * @param usage how the command is used, such as `express-responder <module> [options]`
 * @param of the program as a whole, or of `check`
 */
export function shortHelp(usage: string, of: 'program' | 'check' = 'program'): string {
  const options = optionHelps().filter(([name]) => COMMON_OPTIONS.has(name)).map(([name, help]) => optionRow(name, help))
  const commands = Object.entries(COMMANDS).map(([name, description]) => row(name, description, COMMAND_WIDTH))
  return [`Usage: ${usage}`, '', 'Runs the Express app that a module exports behind a web server, over FastCGI.', '', ...options, ...GENERAL, '', ...of === 'check' ? PROBES : ['Commands:', ...commands], ''].join('\n')
}

/** All options, in groups. The parameters are those of {@link shortHelp}. */
export function longHelp(usage: string, of: 'program' | 'check' = 'program'): string {
  const groups = GROUPS.flatMap((group) => ['', `${group}:`, ...optionHelps().filter(([, help]) => help.group === group).map(([name, help]) => optionRow(name, help))])
  return [
    `Usage: ${usage}`,
    ...groups,
    '',
    ...of === 'check' ? [...PROBES, ''] : [],
    'General:',
    ...GENERAL,
    '',
    'Each is also a variable, such as EXPRESS_RESPONDER_MAX_RSS, and a name in the',
    'file of --config, such as maxRss. A flag comes before a variable, a variable',
    'before the file. Times: 500ms, 30s, 2m, 1h, 1d. Sizes: 512KB, 512MB, 1GB.',
    '',
  ].join('\n')
}
