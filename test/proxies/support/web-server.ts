/** What every web server under test has in common: how it is started, waited for and stopped. */
import { startChild } from './child.js'
import type { Child } from './child.js'
import type { Requirement } from './programs.js'
import { answers, freePort } from './ports.js'
import type { Workspace } from './workspace.js'

/** How long a web server may take until it accepts connections, and how often another port is tried. */
const READY_LIMIT_MS = 15_000
const START_ATTEMPTS = 3

/** A running web server. */
export interface RunningServer {
  /** Such as http://127.0.0.1:12345, without a slash at the end. */
  readonly origin: string
  readonly port: number
  /** Whether its process is still the one that was started. */
  readonly running: boolean
  /** All that it wrote to its standard output and error. */
  logs(): string
  stop(): Promise<void>
}

/** A web server with one configuration out of examples/. */
export interface WebServer extends Requirement {
  /** Unique among the servers. */
  readonly name: string
  /** The configuration below examples/. */
  readonly example: string
  /** Who starts the app: the test, or the server. */
  readonly startsApp: boolean
  /** Where the app listens that the test starts: the workspace's socket, or its port. */
  readonly appOn: 'socket' | 'port'
  /** Starts it in the foreground on a free port of 127.0.0.1 and waits until it accepts connections. */
  start(workspace: Workspace): Promise<RunningServer>
}

/** The command that runs a server in the foreground. */
export interface Command {
  program: string
  args: readonly string[]
  env?: NodeJS.ProcessEnv
  /** The signal that ends it, SIGTERM where left out. */
  signal?: NodeJS.Signals
}

/** A server that is described by its command; `prepare` writes its files for the port it is given. */
export function webServer(
  description: Omit<WebServer, 'start' | 'startsApp' | 'appOn'> & Partial<Pick<WebServer, 'startsApp' | 'appOn'>>,
  prepare: (workspace: Workspace, port: number) => Promise<Command>,
): WebServer {
  return {
    startsApp: false,
    appOn: 'socket',
    ...description,
    async start(workspace) {
      let logs = ''
      for (let attempt = 0; attempt < START_ATTEMPTS; attempt++) {
        const port = await freePort()
        const command = await prepare(workspace, port)
        const child = startChild(command.program, command.args, { env: command.env ?? process.env })
        if (await isReady(child, port)) return runningServer(child, port, command.signal)
        await child.stop()
        logs = child.logs()
      }
      throw new Error(`${description.name} does not start:\n${logs}`)
    },
  }
}

async function isReady(child: Child, port: number): Promise<boolean> {
  const deadline = Date.now() + READY_LIMIT_MS
  const ready = await answers(port, () => child.running && Date.now() < deadline)
  return ready && child.running
}

function runningServer(child: Child, port: number, signal: NodeJS.Signals | undefined): RunningServer {
  return {
    origin: `http://127.0.0.1:${String(port)}`,
    port,
    get running() {
      return child.running
    },
    logs: () => child.logs(),
    stop: () => child.stop(signal),
  }
}
