/** The failing program as a process: started, listened to, and asked. */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import http from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { FastCgiClient } from '../../support/fastcgi-client.js'
import { nginxParams } from '../../support/nginx-params.js'
import type { Message, Setting } from './failing-program.js'

export type Report = Extract<Message, { event: 'recover' }>['report']

const PROGRAM = fileURLToPath(new URL('failing-program.js', import.meta.url))

/** How the program ended. */
export interface End {
  code: number | null
  signal: string | null
  stderr: string
}

export class FailingProcess {
  readonly path: string
  readonly setting: Setting
  readonly reports: Report[] = []
  readonly ended: Promise<End>
  end: End | undefined
  readonly #child: ChildProcess
  readonly #directory: string
  readonly #messages: Message[] = []
  #listeners: (() => void)[] = []

  private constructor(setting: Omit<Setting, 'path'>, node: string, flags: readonly string[]) {
    this.#directory = mkdtempSync(join(tmpdir(), 'recovery-'))
    this.path = join(this.#directory, 's')
    this.setting = { ...setting, path: this.path }
    this.#child = fork(PROGRAM, [JSON.stringify(this.setting)], { execPath: node, execArgv: [...flags], stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
    let stderr = ''
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    this.#child.on('message', (message: Message) => {
      this.#messages.push(message)
      if (message.event === 'recover') this.reports.push(message.report)
      this.#wake()
    })
    this.ended = once(this.#child, 'close').then(([code, signal]: (number | string | null)[]) => {
      this.end = { code: code as number | null, signal: signal as string | null, stderr }
      rmSync(this.#directory, { recursive: true, force: true })
      this.#wake()
      return this.end
    })
  }

  /** Starts the program, and waits until it listens. */
  static async start(setting: Omit<Setting, 'path'>, { node = process.execPath, flags = [] as readonly string[] } = {}): Promise<FailingProcess> {
    const program = new FailingProcess(setting, node, flags)
    await program.until(() => program.#messages.some(({ event }) => event === 'listening'))
    return program
  }

  /** Waits until something holds; fails where the program has ended first. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      if (this.end !== undefined) throw new Error(`the program has ended with ${String(this.end.code ?? this.end.signal)}: ${this.end.stderr}`)
      await new Promise<void>((resolve) => this.#listeners.push(resolve))
    }
  }

  /** Waits for a message. */
  async message<Event extends Message['event']>(event: Event): Promise<Extract<Message, { event: Event }>> {
    await this.until(() => this.#messages.some((message) => message.event === event))
    const index = this.#messages.findIndex((message) => message.event === event)
    return this.#messages.splice(index, 1)[0] as Extract<Message, { event: Event }>
  }

  /** Resident memory after a collection, and recoveries so far. */
  async memory(): Promise<Extract<Message, { event: 'memory' }>> {
    this.#child.send('memory')
    return this.message('memory')
  }

  /** Asks for so many innocent things at once, each over a connection of its own; the bodies that were wrong. */
  async innocents(count: number): Promise<string[]> {
    const names = Array.from({ length: count }, (_, index) => String(index))
    const bodies = await Promise.all(names.map((name) => this.#innocent(name).catch((error: unknown) => String(error))))
    return bodies.filter((body, index) => body !== `innocent ${String(index)}`)
  }

  async #innocent(name: string): Promise<string> {
    const url = `/innocent/${name}`
    if (this.setting.protocol === 'http') return (await get(this.path, url)).body
    const client = await FastCgiClient.connect(this.path)
    const { body } = await client.request({ params: nginxParams({ url }), keepConnection: false })
    await client.destroy()
    return body.toString()
  }

  async stop(): Promise<void> {
    if (this.end === undefined) this.#child.kill('SIGKILL')
    await this.ended
  }

  #wake(): void {
    const listeners = this.#listeners
    this.#listeners = []
    for (const listener of listeners) listener()
  }
}

/** What an HTTP client saw; `complete` only where the response was whole. */
export interface Seen {
  status: number
  headers: http.IncomingHttpHeaders
  body: string
  complete: boolean
}

/** One request over HTTP on a connection of its own. Status 0: the connection ended before there was a head. */
export function get(path: string, url: string, options: http.RequestOptions = {}, body?: string | Uint8Array): Promise<Seen> {
  return new Promise((resolve) => {
    const request = http.request({ socketPath: path, path: url, agent: false, ...options }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      response.on('error', () => undefined)
      response.on('close', () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text, complete: response.complete })
      })
    })
    request.on('error', () => {
      resolve({ status: 0, headers: {}, body: '', complete: false })
    })
    request.end(body)
  })
}
