/**
 * SIGINT and SIGTERM: the first one stops every server of the process and ends it with status 0 (FastCGI
 * Specification 1.0, section 6.1, and what process managers expect); a second one ends it at once.
 *
 * Signals that come together are one wish: at Ctrl-C the terminal tells npm and the app, and npm tells the app again.
 */
import { constants } from 'node:os'
import { inspect } from 'node:util'

const SIGNALS = ['SIGINT', 'SIGTERM'] as const

/** For how long after the first signal others are the same wish, in ms. */
const SAME_WISH = 100

type Stop = () => Promise<void>

/** All that is to be stopped before the process may end. */
const running = new Set<Stop>()
let stopping = false
/** Whether the next signal is another wish. */
let insists = false

/**
 * Has `stop` called at the first signal; the process ends when all stops are done.
 * Listeners of others stay and are called as ever.
 * @returns a function that takes it back; the last one removes the listeners
 */
export function stopOnSignal(stop: Stop): () => void {
  if (running.size === 0 && !stopping) for (const signal of SIGNALS) process.on(signal, onSignal)
  running.add(stop)
  return () => {
    running.delete(stop)
    // While the process is ending, a second signal is still to be heard.
    if (running.size === 0 && !stopping) for (const signal of SIGNALS) process.removeListener(signal, onSignal)
  }
}

function onSignal(signal: NodeJS.Signals): void {
  // What a shell reports for a process that a signal ended.
  if (insists) process.exit(128 + constants.signals[signal])
  if (stopping) return
  stopping = true
  const timer = setTimeout(() => {
    // One that has come while the event loop was held up is heard between these two.
    setImmediate(() => {
      insists = true
    })
  }, SAME_WISH)
  timer.unref()
  void stopAll()
}

async function stopAll(): Promise<void> {
  try {
    await Promise.all([...running].map((stop) => stop()))
    process.exit(0)
  } catch (error) {
    process.stderr.write(`${inspect(error)}\n`)
    process.exit(1)
  }
}
