/** A real redis-server of the test's own, on a free port of 127.0.0.1, that keeps nothing on disk. */
import { tmpdir } from 'node:os'
import { startChild, type Child } from '../proxies/support/child.js'
import { accepts, freePort } from '../proxies/support/ports.js'
import { findProgram, type Requirement } from '../proxies/support/programs.js'

const PROGRAM = findProgram('redis-server')
const READY_LIMIT_MS = 15_000
const START_ATTEMPTS = 3

/** For `describeIfInstalled()`. */
export const REDIS: Requirement = { package: 'redis-server', installed: PROGRAM !== undefined }

export class RedisServer {
  readonly port: number
  readonly #child: Child

  private constructor(port: number, child: Child) {
    this.port = port
    this.#child = child
  }

  /** @param port where one was that has been stopped; default: a free one */
  static async start(port?: number): Promise<RedisServer> {
    let logs = ''
    for (let attempt = 0; attempt < START_ATTEMPTS; attempt++) {
      const chosen = port ?? await freePort()
      const options = ['--port', String(chosen), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', tmpdir()]
      const child = startChild(PROGRAM ?? 'redis-server', options)
      const deadline = Date.now() + READY_LIMIT_MS
      if (await accepts({ port: chosen, host: '127.0.0.1' }, () => child.running && Date.now() < deadline) && child.running) return new RedisServer(chosen, child)
      await child.stop()
      logs = child.logs()
    }
    throw new Error(`redis-server does not start:\n${logs}`)
  }

  get url(): string {
    return `redis://127.0.0.1:${String(this.port)}`
  }

  /** It keeps its connections and answers nothing. */
  pause(): void {
    this.#child.signal('SIGSTOP')
  }

  resume(): void {
    this.#child.signal('SIGCONT')
  }

  /** Kills it, paused or not, and waits for its end. */
  async stop(): Promise<void> {
    this.#child.signal('SIGKILL')
    await this.#child.exited
  }
}
