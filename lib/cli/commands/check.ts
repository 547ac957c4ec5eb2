/** `express-responder check <module>`: checks the options, loads the app and has it answer once, without listening. */
import { checkRuntime } from '../../http/node-internals.js'
import { checkApp } from '../../workers/worker-process.js'
import { resolveCommand, type CommandLine } from '../options.js'
import { ExitCode } from '../exit-codes.js'

/**
 * Checks what the command would run.
 *
 * @returns the exit status
 * @throws FastCgiError that says what is wrong
 */
export async function check(line: CommandLine): Promise<number> {
  checkRuntime()
  const { pool } = resolveCommand(line, process.env, process.cwd())
  const notices: string[] = []
  await checkApp(pool, (_code, message) => {
    notices.push(message)
  })
  const answered = pool.bootPath === undefined ? '' : `, and it answers GET ${pool.bootPath}`
  process.stdout.write([`${pool.module} exports an app${answered}. The options are right.`, ...notices, ''].join('\n'))
  return ExitCode.DONE
}
