/** What the tests of lib/process share: temporary directories, a server without FastCGI, and child processes. */
import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { Server, type RequestListener, type ServerResponse } from 'node:http'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { FastCgiClient } from '../support/fastcgi-client.js'

/** Runs `work` with a fresh directory of a short path, and removes that. */
export async function inDirectory(work: (directory: string) => Promise<void> | void): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'er-'))
  try {
    await work(directory)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** An HTTP server that drains as a FastCGI server does: what the stop needs, and nothing of the protocol. */
export class StandInServer extends Server {
  /** How many open requests each connection has. */
  readonly #open = new Map<Socket, number>()
  #draining = false

  constructor(app: RequestListener) {
    super({ keepAliveTimeout: 60_000 })
    this.on('connection', (socket: Socket) => {
      this.#open.set(socket, 0)
      socket.once('close', () => this.#open.delete(socket))
    })
    this.on('request', (request, response: ServerResponse) => {
      const { socket } = request
      this.#count(socket, 1)
      response.once('finish', () => {
        this.#count(socket, -1)
        if (this.#draining) socket.destroySoon()
      })
      app(request, response)
    })
  }

  #count(socket: Socket, change: number): void {
    this.#open.set(socket, (this.#open.get(socket) ?? 0) + change)
  }

  drain(): void {
    this.#draining = true
    for (const [socket, count] of this.#open) if (count === 0) socket.destroySoon()
  }
}

/** Connects, and resolves once connected. */
export async function connected(path: string): Promise<Socket> {
  const socket = connect(path)
  await once(socket, 'connect')
  return socket
}

/** Params of GET `url`. */
export function paramsOf(url: string): Record<string, string> {
  return { REQUEST_METHOD: 'GET', REQUEST_URI: url, SERVER_PROTOCOL: 'HTTP/1.1', HTTP_HOST: 'test' }
}

/** Asks for `url`; resolves with status and body when the answer is whole, rejects if the connection ends before. */
export async function ask(client: FastCgiClient, url: string, keepConnection = true): Promise<string> {
  const { status, body } = await client.request({ params: paramsOf(url), keepConnection })
  return `${String(status)} ${body.toString('latin1')}`
}

/** Everything that comes over a socket until its end. */
export async function received(socket: Socket): Promise<string> {
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  await once(socket, 'close')
  return Buffer.concat(chunks).toString('latin1')
}

/** Shorter than a test may take, so that what the process has said instead is told. */
const LINE_TIMEOUT_MS = 45_000

/** A child process whose lines of output can be waited for, and how it ended. */
export interface Child {
  readonly process: ChildProcess
  /** All lines of standard output so far. */
  readonly lines: string[]
  /** The first line, seen or to come, that begins so. Rejects if the process ends without it, or does not say it in time. */
  readonly line: (beginning: string) => Promise<string>
  readonly ended: Promise<{ code: number | null, signal: NodeJS.Signals | null, stderr: string }>
}

/** Starts a compiled program of this directory under the running Node.js. */
export function startProgram(program: string, args: readonly string[], options: SpawnOptions = {}): Child {
  const file = fileURLToPath(new URL(program, import.meta.url))
  return start(process.execPath, [file, ...args], options)
}

/** Starts any command. Standard input is empty unless `options.stdio` says otherwise. */
export function start(command: string, args: readonly string[], options: SpawnOptions = {}): Child {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options })
  const lines: string[] = []
  let stderr = ''
  let wake: () => void = () => undefined
  let over = false
  const changed = (): Promise<void> => new Promise((resolve) => {
    const before = wake
    wake = () => {
      before()
      resolve()
    }
  })
  if (child.stdout !== null) {
    createInterface({ input: child.stdout }).on('line', (line) => {
      lines.push(line)
      wake()
    })
  }
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk.toString()
  })
  const ended = new Promise<Awaited<Child['ended']>>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => {
      over = true
      wake()
      resolve({ code, signal, stderr })
    })
  })
  const line = async (beginning: string): Promise<string> => {
    const deadline = { passed: false }
    const timer = setTimeout(() => {
      deadline.passed = true
      wake()
    }, LINE_TIMEOUT_MS)
    try {
      for (;;) {
        const found = lines.find((candidate) => candidate.startsWith(beginning))
        if (found !== undefined) return found
        if (over || deadline.passed) throw new Error(`the process ${over ? 'ended' : 'goes on'} without '${beginning}': ${JSON.stringify(lines)} ${stderr}`)
        await changed()
      }
    } finally {
      clearTimeout(timer)
    }
  }
  return { process: child, lines, line, ended }
}
