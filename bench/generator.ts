/** The benchmark's handle on the load generator's process. */
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Job, JobResult } from './load.js'
import { nextMessage } from './messages.js'

export class Generator {
  readonly #process: ChildProcess

  private constructor(child: ChildProcess) {
    this.#process = child
  }

  static start(): Generator {
    return new Generator(fork(fileURLToPath(new URL('load.js', import.meta.url))))
  }

  /** Runs one job. @throws Error where the generator ends. */
  async run(job: Job): Promise<JobResult> {
    this.#process.send(job)
    return await nextMessage(this.#process) as JobResult
  }

  stop(): void {
    this.#process.disconnect()
    this.#process.kill()
  }
}
