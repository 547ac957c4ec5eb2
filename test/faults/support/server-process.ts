/** The server under attack, as a process of its own: whether it lives, and what it weighs, can then be told. */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** What the process tells when it is asked. */
export interface Report {
  /** Octets of resident memory, after a garbage collection. */
  rss: number
  /** Octets of live JavaScript objects. */
  heapUsed: number
  /** Octets of buffers. */
  arrayBuffers: number
  /** Connections that are open. */
  connections: number
  /** How often each code was told by 'clientError'. */
  errors: Record<string, number>
  /** Exceptions that nobody caught, apart from those that the app throws by intention. */
  uncaught: string[]
}

export class ServerProcess {
  readonly path: string
  readonly #directory: string
  readonly #child: ChildProcess
  #exit: string | undefined

  /** Starts the process; `survive` lets it go on after exceptions that nobody caught. */
  static async start({ survive = false } = {}): Promise<ServerProcess> {
    const started = new ServerProcess(survive)
    await started.#message('listening')
    return started
  }

  private constructor(survive: boolean) {
    this.#directory = mkdtempSync(join(tmpdir(), 'faults-'))
    this.path = join(this.#directory, 's')
    const program = fileURLToPath(new URL('./victim.js', import.meta.url))
    this.#child = fork(program, [this.path, survive ? 'survive' : 'die'], { execArgv: ['--expose-gc'], stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
    let errors = ''
    this.#child.stderr?.on('data', (chunk: Buffer) => (errors += chunk.toString()))
    this.#child.on('exit', (code, signal) => {
      this.#exit = `exit ${String(code)} ${String(signal)} ${errors}`
    })
  }

  /** How the process ended, if it did. */
  get exit(): string | undefined {
    return this.#exit
  }

  /** What the process says of itself; rejects if it has ended. */
  async report(): Promise<Report> {
    const answer = this.#message('report')
    // Where the process has ended, the answer is rejected with the reason.
    this.#child.send('report', () => undefined)
    return (await answer) as Report
  }

  async stop(): Promise<void> {
    if (this.#exit === undefined) {
      const ended = once(this.#child, 'exit')
      this.#child.kill('SIGKILL')
      await ended
    }
    rmSync(this.#directory, { recursive: true, force: true })
  }

  async #message(kind: string): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        this.#child.off('message', onMessage).off('exit', onExit)
      }
      const onMessage = (message: { kind: string }): void => {
        if (message.kind !== kind) return
        settle()
        resolve(message)
      }
      const onExit = (): void => {
        settle()
        reject(new Error(`the server has ended: ${this.#exit ?? ''}`))
      }
      this.#child.on('message', onMessage).on('exit', onExit)
      if (this.#exit !== undefined) onExit()
    })
  }
}
