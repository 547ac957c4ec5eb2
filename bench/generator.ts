/** The benchmark's handle on the load generator's process. */
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Job, JobResult } from './load.js'

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
    const ended = new AbortController()
    const onExit = (): void => {
      ended.abort(new Error('the load generator ended'))
    }
    this.#process.once('exit', onExit)
    this.#process.send(job)
    try {
      const [result] = (await once(this.#process, 'message', { signal: ended.signal })) as [JobResult]
      return result
    } finally {
      this.#process.off('exit', onExit)
    }
  }

  stop(): void {
    this.#process.disconnect()
    this.#process.kill()
  }
}
