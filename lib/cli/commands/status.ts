/** `express-responder status`: prints the status of a program that runs. */
import { Option, type Command } from 'commander'
import { askStatus, reported } from '../status-client.js'

interface StatusFlags {
  readonly statusSocket: string
  readonly full?: true
  readonly json?: true
  readonly metrics?: true
}

const PATHS = { full: '/status?full', json: '/status.json', metrics: '/metrics' } as const

/** The option by which `status` and `top` find the program. */
export function statusSocketOption(): Option {
  return new Option('--status-socket <path>', 'the status socket of the program').env('EXPRESS_RESPONDER_STATUS_SOCKET').makeOptionMandatory()
}

/** Adds `status`. Where the program does not answer it says why, ERR_FCGI_STATUS_SOCKET, with exit status 1. */
export function addStatusCommand(program: Command): void {
  program.command('status')
    .description('print the status of a program that runs')
    .addOption(statusSocketOption())
    .addOption(new Option('--full', 'with each worker').conflicts(['json', 'metrics']))
    .addOption(new Option('--json', 'as JSON').conflicts(['full', 'metrics']))
    .addOption(new Option('--metrics', 'as OpenMetrics').conflicts(['full', 'json']))
    .action(({ statusSocket, ...format }: StatusFlags) => reported(async () => {
      const wanted = (['full', 'json', 'metrics'] as const).find((name) => format[name] === true)
      const body = await askStatus(statusSocket, wanted === undefined ? '/status' : PATHS[wanted])
      process.stdout.write(body.endsWith('\n') ? body : `${body}\n`)
    }))
}
