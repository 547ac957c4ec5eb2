/** What the programs of the benchmark tell the process that has started them. */
import type { ChildProcess } from 'node:child_process'

/** The program's next message. Rejects where it ends before. */
export function nextMessage(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const settle = (): void => { child.off('message', onMessage).off('exit', onExit) }
    const onMessage = (message: unknown): void => {
      settle()
      resolve(message)
    }
    const onExit = (code: number | null, signal: string | null): void => {
      settle()
      reject(new Error(`${child.spawnfile} ${child.spawnargs.slice(1, 3).join(' ')} has ended with ${String(code ?? signal)}`))
    }
    child.on('message', onMessage).on('exit', onExit)
    if (child.exitCode !== null || child.signalCode !== null) onExit(child.exitCode, child.signalCode)
  })
}
