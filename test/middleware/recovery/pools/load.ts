/** Asks the program for innocent and failing things at once, and counts who was answered wrongly. */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import http from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { PoolReport, PoolSetting } from './program.js'

const PROGRAM = fileURLToPath(new URL('program.js', import.meta.url))

/** The program in a process of its own. */
export class PoolProgram {
  readonly path: string
  readonly reports: PoolReport[] = []
  readonly exited: Promise<number | null>
  readonly #child: ChildProcess
  readonly #directory: string
  stderr = ''

  private constructor(setting: Omit<PoolSetting, 'path'>, node: string) {
    this.#directory = mkdtempSync(join(tmpdir(), 'pools-'))
    this.path = join(this.#directory, 's')
    const argument = JSON.stringify({ ...setting, path: this.path } satisfies PoolSetting)
    this.#child = fork(PROGRAM, [argument], { execPath: node, execArgv: [], stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text))
    this.#child.on('message', (message) => {
      if (message !== 'listening') this.reports.push(message as PoolReport)
    })
    this.exited = once(this.#child, 'exit').then(([code]) => code as number | null)
  }

  static async start(setting: Omit<PoolSetting, 'path'>, node = process.execPath): Promise<PoolProgram> {
    const program = new PoolProgram(setting, node)
    await Promise.race([
      once(program.#child, 'message'),
      program.exited.then(() => Promise.reject(new Error(`the program has ended: ${program.stderr}`))),
    ])
    return program
  }

  /** @param timeout after which there is no answer, in milliseconds */
  get(url: string, timeout = 5000): Promise<Answer> {
    return new Promise((resolve) => {
      const request = http.get({ socketPath: this.path, path: url, agent: false }, (response) => {
        let body = ''
        response.setEncoding('utf8').on('data', (text: string) => (body += text))
        response.on('end', () => { resolve({ status: response.statusCode ?? 0, body }) })
      })
      request.setTimeout(timeout, () => request.destroy())
      request.on('error', () => { resolve({ status: 0, body: '' }) })
    })
  }

  /** Until so many recoveries have been told of. */
  async reported(count: number): Promise<void> {
    while (this.reports.length < count) await once(this.#child, 'message')
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.exited
    rmSync(this.#directory, { recursive: true, force: true })
  }
}

/** Status 0 where there was no answer. */
export interface Answer {
  status: number
  body: string
}

/** What came of a load. */
export interface LoadResult {
  innocent: number
  /** Innocent requests that got another answer than theirs, or none. */
  wronged: string[]
  failing: number
  /** Failing requests that got no answer. */
  unanswered: number
}

/** Two of ten fail, one of ten fails after its response, the others are innocent; so many at a time. */
const ROUTES = ['fine', 'fine', 'fail', 'slow', 'fine', 'fail-later', 'fine', 'over', 'fine', 'fine'] as const

const VISITOR_INTERVAL_MS = 50

/**
 * @param timeout after which there is no answer, in milliseconds
 * @param traffic whether more visitors come, one each 50 ms, until each of these has its answer: redis 3 hands out
 * replies that an exception has held back when it receives something more (`findings/redis-3-callback-holds-replies.sh`)
 */
export async function load(
  program: PoolProgram, requests: number, atOnce: number, { timeout = 5000, traffic = false }: { timeout?: number; traffic?: boolean } = {},
): Promise<LoadResult> {
  const result: LoadResult = { innocent: 0, wronged: [], failing: 0, unanswered: 0 }
  let next = 0
  const work = async (): Promise<void> => {
    while (next < requests) {
      const index = next++
      const route = ROUTES[index % ROUTES.length] ?? 'fine'
      judge(result, route, index, await program.get(`/${route}/${String(index)}`, timeout))
    }
  }
  const visitors = traffic ? setInterval(() => void program.get('/fine/later', timeout), VISITOR_INTERVAL_MS) : undefined
  await Promise.all(Array.from({ length: atOnce }, work))
  clearInterval(visitors)
  return result
}

function judge(result: LoadResult, route: (typeof ROUTES)[number], index: number, { status, body }: Answer): void {
  if (route === 'fail' || route === 'fail-later') {
    result.failing++
    if (status !== 500) result.unanswered++
    return
  }
  result.innocent++
  const right = route === 'over' ? 'over' : `fine ${String(index)}`
  if (status !== 200 || body !== right) result.wronged.push(`/${route}/${String(index)}: ${String(status)} ${body}`)
}
