/** Where recovery() cannot hear of what nobody catches, and says so as it is mounted. */
import { runInThisContext } from 'node:vm'
import { emitProcessWarning } from '../../shared/process-warning.js'
import { attempt } from '../shared/safe-call.js'

/** A runtime that is no Node.js says so there. */
interface OtherVersions {
  readonly bun?: string
  readonly deno?: string
}

const REST = 'recovery() answers what is thrown at once or given to next(), but what is thrown later ends the process.'

/** Why late failures are not heard of; undefined where they are. */
export function reasonOfSilence(subject: NodeJS.Process = process): string | undefined {
  const { bun, deno } = subject.versions as OtherVersions
  if (bun !== undefined || deno !== undefined) {
    return `${bun === undefined ? 'Deno' : 'Bun'} does not ask process.emit() about exceptions. ${REST} Run the app on Node.js.`
  }
  if (subject !== trueProcess()) {
    return `this \`process\` is a copy, as in Jest, and Node.js asks the true one about exceptions. ${REST} Test late failures in a process of their own.`
  }
  if (subject.hasUncaughtExceptionCaptureCallback()) {
    return `process.setUncaughtExceptionCaptureCallback() has been called, and Node.js asks nobody else about exceptions. ${REST} Call it with null first.`
  }
  return undefined
}

/** A script of the main context has the one that Node.js itself uses, whatever the code here has been given. */
function trueProcess(): unknown {
  return attempt(() => runInThisContext('process') as unknown, process)
}

/** Warns where it must. */
export function warnIfUnsupported(): void {
  const reason = reasonOfSilence()
  if (reason !== undefined) emitProcessWarning('ERR_RECOVERY_UNSUPPORTED', `recovery(): ${reason}`)
}
