/** A program that runs in the foreground as a child of the test, with its output kept. */
import { spawn } from 'node:child_process'
import type { SpawnOptions } from 'node:child_process'
import { once } from 'node:events'

/** How long a program may take to end of its own accord before it is killed. */
const STOP_LIMIT_MS = 5_000

/** A running child. */
export interface Child {
  readonly pid: number | undefined
  /** Whether it still runs. */
  readonly running: boolean
  /** Resolves with the exit code, or null where a signal ended it. */
  readonly exited: Promise<number | null>
  /** What it has written to its standard output and error. */
  logs(): string
  signal(name: NodeJS.Signals): void
  /** Sends SIGTERM and waits for the end; SIGKILL after five seconds. */
  stop(): Promise<void>
}

/** Starts a program without a shell and without input. */
export function startChild(command: string, args: readonly string[], options: SpawnOptions = {}): Child {
  const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
  const output: string[] = []
  let running = true
  const exited = new Promise<number | null>((resolve) => {
    child.once('exit', (code) => {
      running = false
      resolve(code)
    })
    child.once('error', (error) => {
      output.push(String(error))
      running = false
      resolve(null)
    })
  })
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => output.push(text))
  }
  return {
    pid: child.pid,
    get running() {
      return running
    },
    exited,
    logs: () => output.join(''),
    signal: (name) => child.kill(name),
    async stop() {
      if (!running) return
      const limit = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS)
      child.kill('SIGTERM')
      await exited
      clearTimeout(limit)
    },
  }
}

/** Runs a program to its end. @returns its exit code and all that it wrote to standard output. */
export async function runToEnd(
  command: string,
  args: readonly string[],
  options: SpawnOptions & { input?: string | Buffer } = {},
): Promise<{ code: number | null; stdout: Buffer; stderr: string }> {
  const { input, ...spawnOptions } = options
  const child = spawn(command, args, { ...spawnOptions, stdio: ['pipe', 'pipe', 'pipe'] })
  const stdout: Buffer[] = []
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  // A program may end without reading its input; that is its own affair.
  child.stdin.on('error', () => undefined)
  child.stdin.end(input)
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, stdout: Buffer.concat(stdout), stderr }
}
