/**
 * Tells, and warns, where uncaught exceptions do not reach recovery(): on Bun and Deno, in Jest, with a capture
 * callback.
 */
import { runInThisContext } from 'node:vm'
import { emitProcessWarning } from '../../shared/process-warning.js'
import { attempt } from '../shared/safe-call.js'

/** Other runtimes than Node.js have their name in `process.versions`. */
interface OtherVersions {
  readonly bun?: string
  readonly deno?: string
}

const REST = 'recovery() answers what is thrown at once or given to next(), but what is thrown later ends the process.'

/** Why late failures do not reach recovery(); undefined where they do. */
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

/** The `process` that Node.js itself uses. A script in the main context sees it, even where this code has a copy. */
function trueProcess(): unknown {
  return attempt(() => runInThisContext('process') as unknown, process)
}

/** Emits a process warning where late failures do not reach recovery(). */
export function warnIfUnsupported(): void {
  const reason = reasonOfSilence()
  if (reason !== undefined) emitProcessWarning('ERR_RECOVERY_UNSUPPORTED', `recovery(): ${reason}`)
}
