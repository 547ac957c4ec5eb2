/**
 * SIGUSR1: the logs are opened anew, as web servers do for logrotate. Every process of the program wants the listener, also one without
 * a log: without one Node opens the port of its debugger at this signal, and `systemctl kill` sends it to all processes of a unit.
 */
import { reopenLogs } from './log-writer.js'

const calls = new Set<() => void>()

function onSignal(): void {
  reopenLogs()
  for (const call of calls) call()
}

/**
 * Listens for SIGUSR1 from now on, and opens the logs of this process anew at each.
 *
 * @param call is called at each signal, too: the primary process tells its workers
 * @returns a function that takes `call` back. The process goes on listening: without any listener the next signal would end it
 */
export function reopenOnSignal(call?: () => void): () => void {
  if (!process.listeners('SIGUSR1').includes(onSignal)) process.on('SIGUSR1', onSignal)
  if (call === undefined) return () => undefined
  calls.add(call)
  return () => { calls.delete(call) }
}
