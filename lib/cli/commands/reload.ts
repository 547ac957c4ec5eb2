/** `express-responder reload`: has a running process load new code and configuration, and says what became of it. */
import { askToReload, controlSocketOf } from '../control.js'
import { ExitCode } from '../exit-codes.js'
import { FastCgiError } from '../../errors.js'

/** Where the running process is asked. */
export interface ControlPlace {
  readonly socket?: string | undefined
  readonly controlSocket?: string | undefined
}

/**
 * The control socket that the options name.
 *
 * @throws FastCgiError ERR_FCGI_OPTION where they name none
 */
export function controlSocket({ socket, controlSocket: given }: ControlPlace): string {
  if (given !== undefined) return given
  if (socket !== undefined) return controlSocketOf(socket)
  throw new FastCgiError('ERR_FCGI_OPTION', 'which process? Give the --socket, or the --control-socket, that it was started with. On a port it has the latter only: without one, reload by SIGHUP')
}

/** Reloads. @returns the exit status: 1 where the old workers go on */
export async function reload(place: ControlPlace): Promise<number> {
  const { status, body } = await askToReload(controlSocket(place))
  if (status === 200) {
    process.stdout.write('reloaded\n')
    return ExitCode.DONE
  }
  const { message = body } = JSON.parse(body) as { message?: string }
  process.stderr.write(`${message.replace(/\s*\n\s*/g, ' ')}\n`)
  return ExitCode.FAILED
}
