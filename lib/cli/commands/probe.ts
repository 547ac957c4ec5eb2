/** `express-responder check --live <socket>` and `--ready <socket>`: whether a program that runs lives, for exec probes. */
import { FastCgiError } from '../../errors.js'
import { ExitCode } from '../exit-codes.js'
import { flagOf } from '../options.js'
import { probe, type Probe } from '../probe-client.js'
import { durationMs } from '../units.js'

/** Of Kubernetes' own limit, one second by default, little is left once Node has started: it is to be set there, too. */
const TIMEOUT_MS = 5000
const LONGEST_MS = 600_000

/** What commander has read of `check`. */
export interface ProbeOptions {
  readonly live?: unknown
  readonly ready?: unknown
  readonly timeout?: unknown
}

/** Whether the command line asks a program that runs, in place of checking an app. */
export function isProbe({ live, ready }: ProbeOptions): boolean {
  return live !== undefined || ready !== undefined
}

/**
 * Asks.
 *
 * @param module what stands in the place of the module: there must be none
 * @param others names of the other options that were given: there must be none
 * @returns the exit status: 0 where the answer is yes, 1 where it is no, or there is none
 * @throws FastCgiError ERR_FCGI_OPTION where the command line cannot be meant so
 */
export async function checkRunning(module: string | undefined, { live, ready, timeout }: ProbeOptions, others: readonly string[]): Promise<number> {
  const [first = ''] = [...module === undefined ? [] : [module], ...others.map(flagOf)]
  if (first !== '') throw wrong(`${first} says nothing beside --live and --ready, which ask a program that runs. Leave it out`)
  if (live !== undefined && ready !== undefined) throw wrong('--live and --ready are two questions. Ask one')
  const question: Probe = live === undefined ? 'ready' : 'live'
  const objection = await probe(targetOf(question, live ?? ready), question, timeoutOf(timeout))
  if (objection === undefined) return ExitCode.DONE
  process.stderr.write(`express-responder: ${objection}\n`)
  return ExitCode.FAILED
}

function targetOf(question: Probe, given: unknown): string {
  if (typeof given === 'string' && given !== '') return given
  throw wrong(`--${question} is empty: give a socket, such as /run/app/app.sock, or a port`)
}

function timeoutOf(given: unknown): number {
  const limit = given === undefined ? TIMEOUT_MS : typeof given === 'string' ? durationMs(given) : undefined
  if (limit !== undefined && limit > 0 && limit <= LONGEST_MS) return limit
  throw wrong(`--timeout is '${String(given)}': give milliseconds, or a number with ms, s or m, such as 5s, at most 10m`)
}

function wrong(message: string): FastCgiError {
  return new FastCgiError('ERR_FCGI_OPTION', message)
}
