/** What every web server under test has in common: how it is started, waited for and stopped. */
import { startChild } from './child.js'
import type { Child } from './child.js'
import type { Requirement } from './programs.js'
import { answers, encrypts, freePort } from './ports.js'
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
  /** Sends a signal to its main process. */
  signal(name: NodeJS.Signals): void
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
  /** Whether clients must speak HTTPS. */
  readonly encrypted: boolean
  /** Where the app listens that the test starts: the workspace's socket, or its port. */
  readonly appOn: 'socket' | 'port'
  /** Writes its files for a port. @returns the command that runs it */
  configure(workspace: Workspace, port: number): Promise<Command>
  /** Starts it in the foreground on a free port of 127.0.0.1 and waits until it accepts connections. */
  start(workspace: Workspace): Promise<RunningServer>
}

/** How a test may want an example to be otherwise than it is. */
export interface Variation {
  /** Changes the example's text before it is used. */
  edit?: (text: string) => string
  /** Whether the server then speaks HTTPS. */
  encrypted?: boolean
}

/** The command that runs a server in the foreground. */
export interface Command {
  program: string
  args: readonly string[]
  env?: NodeJS.ProcessEnv
}

/** What most servers have in common. */
type Optional = 'startsApp' | 'appOn' | 'encrypted'

/** A server that is described by its command; `prepare` writes its files for the port it is given. */
export function webServer(
  description: Omit<WebServer, 'configure' | 'start' | Optional> & Partial<Pick<WebServer, Optional>>,
  prepare: (workspace: Workspace, port: number) => Promise<Command>,
): WebServer {
  const { encrypted = false } = description
  return {
    startsApp: false,
    appOn: 'socket',
    encrypted,
    ...description,
    configure: prepare,
    async start(workspace) {
      let logs = ''
      for (let attempt = 0; attempt < START_ATTEMPTS; attempt++) {
        const port = await freePort()
        const command = await prepare(workspace, port)
        const child = startChild(command.program, command.args, { env: command.env ?? process.env })
        if (await isReady(child, port, encrypted)) return runningServer(child, port, encrypted)
        await child.stop()
        logs = child.logs()
      }
      throw new Error(`${description.name} does not start:\n${logs}`)
    },
  }
}

async function isReady(child: Child, port: number, encrypted: boolean): Promise<boolean> {
  const deadline = Date.now() + READY_LIMIT_MS
  const mayContinue = (): boolean => child.running && Date.now() < deadline
  const ready = encrypted ? await encrypts(port, mayContinue) : await answers(port, mayContinue)
  return ready && child.running
}

function runningServer(child: Child, port: number, encrypted: boolean): RunningServer {
  return {
    origin: `${encrypted ? 'https' : 'http'}://127.0.0.1:${String(port)}`,
    port,
    get running() {
      return child.running
    },
    logs: () => child.logs(),
    signal: (name) => {
      child.signal(name)
    },
    stop: () => child.stop(),
  }
}
