/** An app with the memory endpoint in a process of its own, which ends with the test. */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { MemoryStatsOptions } from '../../../middleware/memory.js'

const APP = fileURLToPath(new URL('programs/app.js', import.meta.url))

export class AppProcess {
  /** Such as `http://127.0.0.1:4711`. */
  readonly origin: string
  readonly pid: number
  readonly #child: ChildProcess

  private constructor(child: ChildProcess, port: number) {
    this.#child = child
    this.pid = child.pid ?? NaN
    this.origin = `http://127.0.0.1:${String(port)}`
  }

  /**
   * The program of programs/app.ts, or another one that sends its port as that one does and ends when it is disconnected.
   * Its last argument is the options, as JSON.
   */
  static async start(options: MemoryStatsOptions = {}, program = APP, args: readonly string[] = []): Promise<AppProcess> {
    const child = fork(program, [...args, JSON.stringify(options)], { execArgv: [] })
    const ended = once(child, 'exit').then(([code]: unknown[]) => { throw new Error(`the app ended with ${String(code)} before it listened`) })
    const [{ port }] = await Promise.race([once(child, 'message'), ended]) as [{ port: number }]
    ended.catch(() => undefined)
    return new AppProcess(child, port)
  }

  /** What it answers; the path from its root. @throws where it is no success */
  async get(path: string): Promise<Response> {
    const response = await fetch(`${this.origin}${path}`)
    if (!response.ok) throw new Error(`${path}: ${String(response.status)} ${await response.text()}`)
    return response
  }

  async stop(): Promise<void> {
    const ended = once(this.#child, 'exit')
    this.#child.disconnect()
    await ended
  }
}
