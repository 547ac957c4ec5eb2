/**
 * The thread that watches the main thread's event loop, started by `stuck-loop.ts`. It sees that the loop does not turn, tells of it at
 * half of the time limit, takes the stack, and reports once the time limit is over. Each is a line of JSON.
 */
import { writeSync } from 'node:fs'
import { workerData } from 'node:worker_threads'
import { takeStack, type Findings } from './paused-stack.js'
import type { LoopMessage, WatchData } from './stuck-report.js'

/** How often a write is tried anew while the pipe is full, and the pause in between, in milliseconds. */
const WRITE_ATTEMPTS = 100
const WRITE_PAUSE = 10
/** How long before the time limit the stack is taken, in milliseconds: to see that the loop is in native code takes most of it. */
const STACK_LEAD = 700

const { beats, interval, timeout, report } = workerData as WatchData
const standingAfter = timeout / 2 + interval
const stackAfter = Math.max(standingAfter, timeout - STACK_LEAD)

/** What is known of one time in which the loop has not turned. */
interface Standstill {
  isTold: boolean
  /** 'debugger' where somebody's debugger holds the main thread: it is not stuck. */
  findings: Findings | 'debugger' | undefined
  isReported: boolean
}

let seen = Atomics.load(beats, 0)
let checkedAt = performance.now()
/** For how long no beat has come, in milliseconds. */
let still = 0
let present: Standstill = newStandstill()
let isTaking = false

function newStandstill(): Standstill {
  return { isTold: false, findings: undefined, isReported: false }
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
  write({ type: 'stuck', milliseconds, ...findings })
}

async function take(standstill: Standstill): Promise<void> {
  isTaking = true
  standstill.findings = await takeStack() ?? 'debugger'
  isTaking = false
  // It may be due: the next look is an interval away.
  if (standstill === present && still >= standingAfter) onStanding()
}

/** Writes the whole line, whatever the pipe takes at a time. An error means that nobody reads. */
function write(line: LoopMessage): void {
  let rest = Buffer.from(`${JSON.stringify(line)}\n`)
  for (let attempt = 0; attempt < WRITE_ATTEMPTS && rest.length > 0; attempt++) {
    try {
      rest = rest.subarray(writeSync(report, rest))
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) return
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, WRITE_PAUSE)
    }
  }
}
