/**
 * Takes the call stack of the main thread from another one, by V8's inspector: pauses it, looks, lets it go on. Nothing of the
 * inspector is enabled before, so it costs nothing until then. If the thread ends meanwhile, the main thread goes on, too.
 */
import { readFileSync } from 'node:fs'
import type { Debugger, Runtime, Session } from 'node:inspector'
import { OVERDUE_LOOKUP, REQUEST_LOOKUP, type OverdueRequest, type RequestFindings, type StackFrame, type StuckReport } from './stuck-report.js'

/**
 * A main thread that runs JavaScript answers between two steps of it, which is at once where it has a processor. Where nothing
 * has come after this time, in milliseconds, it is in native code; on a busy machine it must have had some processor time, too.
 */
const NATIVE_AFTER = 500
const NATIVE_AFTER_CPU = 200
/** When it counts as in native code whatever it had, and how often that is looked at, in milliseconds. */
const NATIVE_AFTER_ALL = 1500
const NATIVE_CHECK_INTERVAL = 50
/** How long a pause may take once the main thread has answered something, in milliseconds. Deep stacks take a second. */
const PAUSE_TIMEOUT = 5000
/** How long one look into a paused thread may take, in milliseconds. */
const LOOK_TIMEOUT = 1000
/** Functions of the stack that are reported. */
const MAX_FRAMES = 50
/** Functions that are searched for a request: these innermost ones, and as many outermost ones. */
const SEARCHED_FRAMES = 200

/** Where a request of ours is given to the app: the innermost frames of anything else may know other requests. */
const DISPATCH = { functionName: '#emitRequest', file: '/lib/server/server.js' }

/** What was found. */
export interface Findings {
  /** What is reported of a loop that is stuck. */
  readonly report: Pick<StuckReport, 'stack' | 'native' | 'request' | 'openRequests'>
  /** The requests that the slow log has to tell of; empty where there is none, and in native code. */
  readonly overdue: readonly OverdueRequest[]
}

const NOT_FOUND: RequestFindings = { request: null }
const NOTHING: Findings = { report: { stack: null, native: false, request: null }, overdue: [] }
const NATIVE: Findings = { report: { stack: null, native: true, request: null }, overdue: [] }

/**
 * Takes the stack of the main thread.
 *
 * @returns undefined where somebody's debugger holds the main thread at a breakpoint: it is not stuck, and is left alone
 */
export async function takeStack(): Promise<Findings | undefined> {
  const session = await connect()
  if (session === undefined) return NOTHING
  // Frames have no URL: V8 tells it once, beforehand.
  const urls = new Map<string, string>()
  session.on('Debugger.scriptParsed', ({ params: { scriptId, url } }) => urls.set(scriptId, url))
  try {
    const pause = await pauseOf(session)
    if (pause === 'native') return NATIVE
    if (pause === 'debugger') return undefined
    const { callFrames } = pause
    const urlOf = ({ location }: Debugger.CallFrame): string => urls.get(location.scriptId) ?? ''
    const stack = callFrames.slice(0, MAX_FRAMES).map((frame) => frameOf(frame, urlOf(frame)))
    const found = await findRequest(session, callFrames, urlOf)
    const overdue = await evaluate(session, callFrames, OVERDUE, []) as Findings['overdue'] | undefined ?? []
    return { report: { stack, native: false, ...found }, overdue }
  } catch {
    // The session has ended. That the loop is stuck is reported all the same.
    return NOTHING
  } finally {
    leave(session)
  }
}

/** Asked for at once: when it is needed, time is short. */
const inspector = import('node:inspector').catch(() => undefined)

/** A session with the main thread. A Node.js may be built without an inspector, and its permission model may forbid it. */
async function connect(): Promise<Session | undefined> {
  const { Session } = await inspector ?? {}
  if (Session === undefined) return undefined
  const session = new Session()
  try {
    session.connectToMainThread()
    return session
  } catch {
    return undefined
  }
}

/** Pauses the main thread. */
function pauseOf(session: Session): Promise<Debugger.PausedEventDataType | 'native' | 'debugger'> {
  return new Promise((resolve) => {
    let enabled = false
    const begun = performance.now()
    const before = mainThread()
    const check = setInterval(() => {
      if (!isInNativeCode(performance.now() - begun, before, mainThread())) return
      clearInterval(check)
      resolve('native')
    }, NATIVE_CHECK_INTERVAL)
    let timer: NodeJS.Timeout | undefined
    const onSign = (): void => {
      clearInterval(check)
      clearTimeout(timer)
      timer = setTimeout(resolve, PAUSE_TIMEOUT, 'native')
    }
    session.once('Debugger.scriptParsed', onSign)
    session.once('Debugger.paused', ({ params }) => {
      clearInterval(check)
      clearTimeout(timer)
      // Before the answer to 'enable' it can only be the pause of another session, which V8 tells to each that comes later.
      resolve(enabled ? params : 'debugger')
    })
    // Both at once: between two native calls there is no time for one to be answered and the other sent.
    session.post('Debugger.enable', () => {
      enabled = true
      onSign()
    })
    session.post('Debugger.pause')
  })
}

interface MainThread {
  /** Whether it runs, or waits for a processor. */
  readonly runs: boolean
  /** Its processor time, in milliseconds. */
  readonly cpu: number
}

/** Milliseconds in a unit of the times in /proc: USER_HZ is 100 on all that Node runs on. */
const CLOCK_TICK = 10

/** What Linux tells of the main thread (proc_pid_stat(5)): its number is that of the process. */
function mainThread(): MainThread | undefined {
  try {
    const text = readFileSync(`/proc/self/task/${String(process.pid)}/stat`, 'latin1')
    // After the name, which may have spaces and brackets: state is column 3, utime 14, stime 15.
    const columns = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return { runs: columns[0] === 'R', cpu: (Number(columns[11]) + Number(columns[12])) * CLOCK_TICK }
  } catch {
    return undefined
  }
}

/** @param elapsed milliseconds without any answer */
function isInNativeCode(elapsed: number, before: MainThread | undefined, now: MainThread | undefined): boolean {
  if (elapsed < NATIVE_AFTER) return false
  if (elapsed >= NATIVE_AFTER_ALL || before === undefined || now === undefined) return true
  return !now.runs || now.cpu - before.cpu >= NATIVE_AFTER_CPU
}

function leave(session: Session): void {
  try {
    session.post('Debugger.resume')
    session.post('Debugger.disable')
    session.disconnect()
  } catch {
    // It has ended already.
  }
}

function frameOf({ functionName, location }: Debugger.CallFrame, url: string): StackFrame {
  return { functionName, url, line: location.lineNumber + 1, column: (location.columnNumber ?? 0) + 1 }
}

/** Scopes of a function's own variables, and those of the functions around it. Those of modules hold what is nobody's. */
const LOCAL = new Set(['local', 'block', 'catch'])
const CLOSURE = new Set(['closure'])

/** Looks where the answer is surest first. */
async function findRequest(session: Session, frames: readonly Debugger.CallFrame[], urlOf: (frame: Debugger.CallFrame) => string): Promise<RequestFindings> {
  const searched = frames.length <= 2 * SEARCHED_FRAMES ? frames : [...frames.slice(0, SEARCHED_FRAMES), ...frames.slice(-SEARCHED_FRAMES)]
  const dispatch = searched.filter((frame) => frame.functionName === DISPATCH.functionName && urlOf(frame).endsWith(DISPATCH.file))
  for (const scopes of [scopesOf(dispatch, LOCAL), scopesOf(searched, LOCAL)]) {
    const found = await look(session, frames, scopes)
    if (found.request !== null) return found
  }
  const known = await look(session, frames)
  if (known.request !== null && known.openRequests === undefined) return known
  const around = await look(session, frames, scopesOf(searched, CLOSURE))
  return around.request === null ? known : around
}

function scopesOf(frames: readonly Debugger.CallFrame[], types: ReadonlySet<string>): string[] {
  return frames.flatMap(({ scopeChain }) => scopeChain.flatMap(({ type, object }) =>
    types.has(type) && object.objectId !== undefined ? [object.objectId] : []))
}

/** A function that is called in the main thread, by its text: it passes its arguments on to the one that the main thread keeps by this name. */
function callOf(name: string): string {
  return `function (...given) {
    const lookup = globalThis[Symbol.for(${JSON.stringify(name)})]
    return typeof lookup === 'function' ? lookup(...given) : undefined
  }`
}

const LOOK = callOf(REQUEST_LOOKUP)
const OVERDUE = callOf(OVERDUE_LOOKUP)

/**
 * Asks the {@link RequestLookup} of the main thread.
 *
 * @param scopes where it is to look; without them it tells what the process knows
 */
async function look(session: Session, frames: readonly Debugger.CallFrame[], scopes?: readonly string[]): Promise<RequestFindings> {
  if (scopes?.length === 0) return NOT_FOUND
  // It is JSON of what the RequestLookup has returned, and nothing after stop().
  return await evaluate(session, frames, LOOK, scopes ?? []) as RequestFindings | undefined ?? NOT_FOUND
}

/** Calls a function in the paused main thread. @returns JSON of what it has returned; undefined where it has failed, or takes too long */
function evaluate(session: Session, [top]: readonly Debugger.CallFrame[], functionDeclaration: string, given: readonly string[]): Promise<unknown> {
  const objectId = top?.scopeChain[0]?.object.objectId
  if (objectId === undefined) return Promise.resolve(undefined)
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, LOOK_TIMEOUT, undefined)
    const question = {
      objectId,
      functionDeclaration,
      arguments: given.map((id) => ({ objectId: id })),
      returnByValue: true,
      silent: true,
    }
    session.post('Runtime.callFunctionOn', question, (error, answer?: Runtime.CallFunctionOnReturnType) => {
      clearTimeout(timer)
      resolve(error === null && answer?.exceptionDetails === undefined ? answer?.result.value : undefined)
    })
  })
}
