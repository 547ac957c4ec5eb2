/** A closed loop of clients, in a process of its own. */
import { fork, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { nextMessage } from '../messages.js'

/** What the clients do. */
export interface Loop {
  /** The Unix socket that a web server listens on. */
  readonly socket: string
  readonly path: string
  readonly clients: number
  /** For how long they ask, in ms. */
  readonly milliseconds: number
}

/** One answered request: when it was answered since the loop began and how long it took, in ms, and which process has answered. */
export type Answered = readonly [at: number, took: number, process: number]

/** What came of it. */
export interface LoopResult {
  readonly answered: readonly Answered[]
  /** CPU time of the clients, in µs. */
  readonly clientMicroseconds: number
}

/** The process that the clients run in. */
export class ClosedLoop {
  readonly #child: ChildProcess = fork(fileURLToPath(new URL('clients.js', import.meta.url)))

  async run(loop: Loop): Promise<LoopResult> {
    this.#child.send(loop)
    const result = await nextMessage(this.#child) as LoopResult | string
    if (typeof result === 'string') throw new Error(result)
    return result
  }

  end(): void {
    this.#child.kill()
  }
}
