/** `express-responder status`: prints the status of a program that runs. */
import { Option, type Command } from 'commander'
import { FastCgiError } from '../../errors.js'
import { askStatus } from '../status-client.js'
import { resolveSockets } from '../options.js'
import { controlSocket, type ControlPlace } from './reload.js'

interface StatusFlags extends StatusPlace {
  readonly full?: true
  readonly json?: true
  readonly metrics?: true
}

const PATHS = { full: '/status?full', json: '/status.json', metrics: '/metrics' } as const

/** How `status` and `top` find the program: by the socket of its app or its control socket as the user who runs it, by its status socket as others. */
export interface StatusPlace extends ControlPlace {
  readonly statusSocket?: string
}

/** The options of {@link StatusPlace}. */
export function placeOptions(): Option[] {
  return [
    new Option('--status-socket <path>', 'the status socket of the program'),
    new Option('--socket <path>', 'the socket that it listens on, for the user who runs it'),
    new Option('--control-socket <path>', 'its control socket, for that user'),
  ]
}

/** Where the program is asked: the flags say it, or else the variables of the command. */
export function placeOf(flags: StatusPlace): string {
  const named = (['statusSocket', 'socket', 'controlSocket'] as const).filter((name) => flags[name] !== undefined)
  const { statusSocket, ...place } = resolveSockets(Object.fromEntries(named.map((name) => [name, flags[name]])), process.env)
  if (statusSocket !== undefined) return statusSocket
  if (place.socket === undefined && place.controlSocket === undefined) {
    throw new FastCgiError('ERR_FCGI_OPTION', 'which program? Give its --status-socket; or, as the user who runs it, the --socket that it listens on, or where it listens on a port the --control-socket that it was started with')
  }
  return controlSocket(place)
}

/** Adds `status`. Where the program does not answer it says why, ERR_FCGI_STATUS_SOCKET. */
export function addStatusCommand(program: Command): void {
  const command = program.command('status').description('print the status of a program that runs')
  for (const option of placeOptions()) command.addOption(option)
  command
    .addOption(new Option('--full', 'with each worker').conflicts(['json', 'metrics']))
    .addOption(new Option('--json', 'as JSON').conflicts(['full', 'metrics']))
    .addOption(new Option('--metrics', 'as OpenMetrics').conflicts(['full', 'json']))
    .action(async (format: StatusFlags) => {
      const wanted = (['full', 'json', 'metrics'] as const).find((name) => format[name] === true)
      const body = await askStatus(placeOf(format), wanted === undefined ? '/status' : PATHS[wanted])
      process.stdout.write(body.endsWith('\n') ? body : `${body}\n`)
    })
}
