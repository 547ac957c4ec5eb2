/** Starts the benchmark's servers, waits until they answer, and stops them. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import net from 'node:net'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { nextMessage } from './messages.js'
import { serverKind } from './roster.js'
import type { Command, ServerKind, ServerName } from './roster.js'
import type { Address } from './load.js'
import type { MemoryReport } from './servers/listen.js'

const START_MILLISECONDS = 60_000
const STOP_MILLISECONDS = 3000
const POLL_MILLISECONDS = 20
/** Lets a server start more than once in a run. */
const SUFFIX_OCTETS = 4

/** A server that runs. */
export interface Running {
  name: ServerName
  kind: ServerKind
  address: Address
  pid: number
  /** Memory after garbage collection; Node servers only. */
  memory(): Promise<MemoryReport>
  stop(): Promise<void>
}

/** How and where a server is to run. */
export interface LaunchOptions {
  directory: string
  node: string
  clients: number
  /** Wraps the command, for instance into valgrind. */
  wrap?: (command: Command) => Command
}

/** Starts a server. @throws Error where it does not come to listen. */
export async function launch(name: ServerName, options: LaunchOptions): Promise<Running> {
  const kind = serverKind(name)
  const address: Address =
    kind.transport === 'tcp'
      ? { host: '127.0.0.1', port: await freePort() }
      : { path: path.join(options.directory, `${name}-${randomBytes(SUFFIX_OCTETS).toString('hex')}.sock`) }
  const where = 'path' in address ? address.path : String(address.port)
  const plain = kind.command({ ...options, address: where })
  const { file, args, env } = options.wrap?.(plain) ?? plain
  const child = spawn(file, args, {
    env: env ?? process.env,
    stdio: ['ignore', 'ignore', 'inherit', ...(kind.isNode ? (['ipc'] as const) : [])],
  })
  await untilListening(child, name, address)
  return {
    name,
    kind,
    address,
    pid: child.pid ?? 0,
    memory: async () => {
      child.send('memory')
      return await nextMessage(child) as MemoryReport
    },
    stop: () => stop(child),
  }
}

/** Waits until a server listens. @throws Error where it does not. */
export async function untilListening(child: ChildProcess, name: string, address: Address): Promise<void> {
  let failure: Error | undefined
  child.once('error', (error) => {
    failure = error
  })
  const deadline = Date.now() + START_MILLISECONDS
  while (!(await answers(address))) {
    if (failure) throw failure
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`${name} ended before it listened`)
    if (Date.now() > deadline) throw new Error(`${name} does not listen`)
    await delay(POLL_MILLISECONDS)
  }
}

function answers(address: Address): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(address)
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => {
      resolve(false)
    })
  })
}

/** Ends a process that this one started: asks it, and kills it where it does not listen. */
export async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MILLISECONDS)
  await exit
  clearTimeout(timer)
}

/** A port of 127.0.0.1 that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}
