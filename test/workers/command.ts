/** The command as its users have it: a process of its own, whose lines of JSON are read. */
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { start, type Child } from '../process/support.js'

/** The program, which npm links to `node_modules/.bin/express-responder`. */
export const COMMAND = fileURLToPath(new URL('../../lib/cli/main.js', import.meta.url))
/** The app that programs/answering.ts is. */
export const ANSWERING = fileURLToPath(new URL('programs/answering.js', import.meta.url))

/** A line of the log. */
export interface LogLine {
  readonly msg: string
  readonly worker?: number
  readonly pid?: number
  readonly [field: string]: unknown
}

/** How it is started. */
export interface CommandStart {
  /** Whether it leads a process group of its own: see {@link Command.killAll} */
  readonly detached?: boolean
  /** The path by which it is started. */
  readonly program?: string
  /** What it inherits as descriptor 3. */
  readonly descriptor?: number
}

/** The command, running. */
export class Command {
  readonly child: Child

  constructor(args: readonly string[], environment: Readonly<Record<string, string>> = {}, { detached = false, program = COMMAND, descriptor }: CommandStart = {}) {
    this.child = start(process.execPath, [program, ...args], { env: { ...process.env, ...environment }, detached, stdio: ['ignore', 'pipe', 'pipe', descriptor ?? 'ignore'] })
  }

  /** All lines of its log so far. */
  get log(): LogLine[] {
    return this.child.lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as LogLine)
  }

  /** The first line of its log, seen or to come, whose message begins so, after the `skip` ones that did before. */
  async logged(beginning: string, skip = 0): Promise<LogLine> {
    const found = (): LogLine | undefined => this.log.filter(({ msg }) => msg.startsWith(beginning))[skip]
    const { stdout } = this.child.process
    for (;;) {
      const line = found()
      if (line !== undefined) return line
      if (stdout === null || this.child.process.exitCode !== null) throw new Error(`no '${beginning}': ${JSON.stringify(this.child.lines)} ${(await this.child.ended).stderr}`)
      await Promise.race([once(stdout, 'data'), this.child.ended])
    }
  }

  /** Ends it, and waits until it has ended. */
  async stop(): Promise<Awaited<Child['ended']>> {
    this.child.process.kill('SIGTERM')
    return this.child.ended
  }

  /** Kills the primary and all workers in one moment, as the end of a machine does; it must lead a group. */
  async killAll(): Promise<void> {
    const { pid } = this.child.process
    if (pid !== undefined && this.child.process.exitCode === null && this.child.process.signalCode === null) process.kill(-pid, 'SIGKILL')
    await this.child.ended
  }

  /** For the end of a test, whatever has become of it. */
  async kill(): Promise<void> {
    this.child.process.kill('SIGKILL')
    await this.child.ended
  }
}

/** Runs the command to its end. */
export async function runCommand(args: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<{ code: number | null, stdout: string, stderr: string }> {
  const { child } = new Command(args, environment)
  const { code, stderr } = await child.ended
  return { code, stdout: child.lines.join('\n'), stderr }
}
