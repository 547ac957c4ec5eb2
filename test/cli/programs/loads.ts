/** Loads each module that it is given, as a worker does, and prints what a worker would fail with: a line of JSON for each. */
import { codeOf } from '../../../shared/errors.js'
import { bootFailure } from '../../../lib/workers/boot-failure.js'
import { loadApp } from '../../../lib/workers/load-app.js'

for (const file of process.argv.slice(2)) process.stdout.write(`${JSON.stringify({ file, message: await messageOf(file) })}\n`)
// Some of them listen.
process.exit()

async function messageOf(file: string): Promise<string> {
  try {
    await loadApp(file)
    return 'an app'
  } catch (error) {
    if (!(error instanceof Error)) throw error
    const { message, stack } = error
    const code = codeOf(error)
    return code === 'ERR_FCGI_APP' ? message : bootFailure({ code, message, stack }, 'loading', file)
  }
}
