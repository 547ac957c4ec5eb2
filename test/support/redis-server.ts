/** A redis-server of a test's own: on a free loopback port, with no files, and gone with the process that started it. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { createInterface } from 'node:readline'
import { findProgram, type Requirement } from '../proxies/support/programs.js'

const program = findProgram('redis-server')

/** For `describeIfInstalled`. */
export const redisServer: Requirement = { package: 'redis-server', installed: program !== undefined }

const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

export class RedisServer {
  readonly port: number
  readonly #child: ChildProcess

  private constructor(port: number, child: ChildProcess) {
    this.port = port
    this.#child = child
  }

  /** Starts one and waits until it can be spoken to. `port`: that one, such as the port of one that was stopped. */
  static async start({ port }: { port?: number } = {}): Promise<RedisServer> {
    if (program === undefined) throw new Error('redis-server is not installed')
    const chosen = port ?? await freePort()
    const child = spawn(program, ['--port', String(chosen), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', tmpdir()], { stdio: ['ignore', 'pipe', 'ignore'] })
    running.add(child)
    child.once('exit', () => running.delete(child))
    const lines: string[] = []
    await new Promise<void>((resolve, reject) => {
      createInterface(child.stdout).on('line', (line) => {
        lines.push(line)
        if (line.includes('Ready to accept connections')) resolve()
      }).on('close', () => { reject(new Error(`redis-server did not start:\n${lines.join('\n')}`)) })
    })
    return new RedisServer(chosen, child)
  }

  /** It keeps its connections and answers nothing. */
  pause(): void {
    this.#child.kill('SIGSTOP')
  }

  resume(): void {
    this.#child.kill('SIGCONT')
  }

  /** At once, whatever state it is in. Its data is lost. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exit = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await exit
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
