/**
 * The thread that watches the main thread's event loop, started by `stuck-loop.ts`. It sees that the loop has not turned, takes
 * the stack, and writes a report as a line of JSON.
 */
import { writeSync } from 'node:fs'
import { workerData } from 'node:worker_threads'
import { takeStack } from './paused-stack.js'
import type { StuckReport, WatchData } from './stuck-report.js'

/** How often a write is tried anew while the pipe is full, and the pause in between, in milliseconds. */
const WRITE_ATTEMPTS = 100
const WRITE_PAUSE = 10

const { beats, interval, timeout, report } = workerData as WatchData

let seen = Atomics.load(beats, 0)
let checkedAt = performance.now()
/** For how long no beat has come, in milliseconds. */
let still = 0
let isReported = false
let isTaking = false

setInterval(() => {
  const now = performance.now()
  const beat = Atomics.load(beats, 0)
  // A longer gap is one in which this thread did not run either: the machine slept, or the process was stopped.
  still = beat === seen ? still + Math.min(now - checkedAt, 2 * interval) : 0
  if (beat !== seen) isReported = false
  seen = beat
  checkedAt = now
  if (still >= timeout + interval && !isReported && !isTaking) void takeAndReport(Math.round(still))
}, interval)

async function takeAndReport(milliseconds: number): Promise<void> {
  isReported = true
  isTaking = true
  const findings = await takeStack()
  isTaking = false
  if (findings === undefined) return
  write({ type: 'stuck', milliseconds, ...findings })
}

/** Writes the whole line, whatever the pipe takes at a time. An error means that nobody reads. */
function write(line: StuckReport): void {
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
