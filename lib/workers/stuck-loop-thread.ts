/**
 * The thread that watches the main thread's event loop, started by `stuck-loop.ts`. It sees that the loop does not turn, tells of it at
 * a third of the time limit, takes the stack, and reports once the time limit is over. Each is a line of JSON. Where a request is overdue
 * meanwhile, it writes that into the slow log.
 */
import { closeSync, openSync, writeSync } from 'node:fs'
import { workerData } from 'node:worker_threads'
import { takeStack, type Findings } from './paused-stack.js'
import { blockedLines } from './slow-log-lines.js'
import type { LoopMessage, SlowLogData, WatchData } from './stuck-report.js'

/** How often a write is tried anew while the pipe is full, and the pause in between, in milliseconds. */
const WRITE_ATTEMPTS = 100
const WRITE_PAUSE = 10
/** How long before the time limit the stack is taken, in milliseconds: to see that the loop is in native code takes most of it. */
const STACK_LEAD = 700
/** A loop that has stood still for less is not blocked: its stack is not taken for the slow log. In milliseconds. */
const SHORTEST_BLOCK = 200
/** After a stack for the slow log none is taken for so long: each holds the main thread up. In milliseconds. */
const SLOW_PAUSE = 1000

const { beats, interval, timeout = Infinity, slow, report } = workerData as WatchData
/** To load an app takes most of a second where the processors are busy, as they are now. */
const standingAfter = timeout / 3 + interval
/** Not much before the end: a loop that turns again after all would have been held up for nothing. */
const stackAfter = Math.max(timeout / 2 + interval, timeout - STACK_LEAD)

/** What is known of one time in which the loop has not turned. */
interface Standstill {
  isTold: boolean
  /** 'debugger' where somebody's debugger holds the main thread: it is not stuck. */
  findings: Findings | 'debugger' | undefined
  isReported: boolean
  isInSlowLog: boolean
}

let seen = Atomics.load(beats, 0)
let checkedAt = performance.now()
/** For how long no beat has come, in milliseconds. */
let still = 0
let present: Standstill = newStandstill()
let isTaking = false
let nextSlow = 0

function newStandstill(): Standstill {
  return { isTold: false, findings: undefined, isReported: false, isInSlowLog: false }
}

setInterval(() => {
  const now = performance.now()
  const beat = Atomics.load(beats, 0)
  // A longer gap is one in which this thread did not run either: the machine slept, or the process was stopped.
  still = beat === seen ? still + Math.min(now - checkedAt, 2 * interval) : 0
  checkedAt = now
  if (beat !== seen) onTurn()
  seen = beat
  if (still >= standingAfter) onStanding()
  if (!isTaking && now >= nextSlow && isOverdue()) void take(present)
}, interval)

function onTurn(): void {
  if (present.isTold && !present.isReported) write({ type: 'turning' })
  present = newStandstill()
}

function onStanding(): void {
  const milliseconds = Math.round(still)
  const { isTold, findings, isReported } = present
  if (!isTold) {
    present.isTold = true
    write({ type: 'standing', milliseconds })
  }
  if (still >= stackAfter && findings === undefined && !isTaking) void take(present)
  if (still < timeout + interval || isReported || findings === undefined || findings === 'debugger') return
  present.isReported = true
  write({ type: 'stuck', milliseconds, ...findings.report })
}

/** For the report, for the slow log, or for both. */
async function take(standstill: Standstill): Promise<void> {
  isTaking = true
  const [isForLog, blocked] = [isOverdue(), still]
  const findings = await takeStack() ?? 'debugger'
  isTaking = false
  if (slow !== undefined && isForLog) {
    standstill.isInSlowLog = true
    nextSlow = performance.now() + SLOW_PAUSE
    if (findings !== 'debugger') tellSlowLog(slow, findings, blocked)
  }
  if (standstill !== present) return
  if (still >= stackAfter) standstill.findings = findings
  // It may be due: the next look is an interval away.
  if (still >= standingAfter) onStanding()
}

/** Whether the slow log is to have the stack of the present standstill. */
function isOverdue(): boolean {
  return slow !== undefined && !present.isInSlowLog && still >= Math.max(SHORTEST_BLOCK, 2 * interval) && oldestAge(slow) >= slow.threshold
}

/** For how long the oldest request runs: one that has begun after the last beat runs for about as long as the loop stands still. */
function oldestAge({ oldest }: SlowLogData): number {
  const [begun = 0] = oldest
  return Math.max(still - interval, begun === 0 ? 0 : Number(process.hrtime.bigint() / 1_000_000n) - begun)
}

function tellSlowLog(log: SlowLogData, findings: Findings, blocked: number): void {
  if (findings.report.native) Atomics.store(beats, 1, 1)
  const lines = blockedLines(findings, blocked, oldestAge(log))
  if (typeof log.target === 'number') writeAll(log.target, lines)
  else writeToFile(log.target, lines)
}

/** Opened each time: logrotate may have moved it away, and only the main thread hears of that. */
function writeToFile(path: string, lines: string): void {
  try {
    const fd = openSync(path, 'a')
    writeAll(fd, lines)
    closeSync(fd)
  } catch {
    // The main thread tells of a log that cannot be written.
  }
}

function write(line: LoopMessage): void {
  writeAll(report, `${JSON.stringify(line)}\n`)
}

/** Writes the whole text, whatever the descriptor takes at a time. An error means that nobody reads. */
function writeAll(fd: number, text: string): void {
  let rest = Buffer.from(text)
  for (let attempt = 0; attempt < WRITE_ATTEMPTS && rest.length > 0; attempt++) {
    try {
      rest = rest.subarray(writeSync(fd, rest))
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) return
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, WRITE_PAUSE)
    }
  }
}
