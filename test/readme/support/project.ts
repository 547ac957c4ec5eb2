/** A user's project in a temporary directory, in which the blocks of code of the pages run. */
import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Readable } from 'node:stream'
import { root } from './markdown.js'

const MODULES = ['express', 'express-rate-limit', 'pg', 'prom-client', 'rate-limit-redis', 'redis', 'supertest', '@types']

/** What blocks import as their own app. */
const APP = `import express from 'express'
export const app = express()
app.get('/', (req, res) => res.send('Hello World!'))
`

/** Says when the program's own first turn is over: by then `await serve()` has resolved and `listen(path)` has listened. */
const RUNNER = `await import(process.argv[2])
console.log('ready')
`

/** The path and the port of the blocks are replaced by sockets of the project's own. */
const PAGES_SOCKET = '/run/app/app.sock'
const PAGES_PORT = /listen\(3000, '127\.0\.0\.1'\)/

/** What programs find in their environment. */
export const STATS_TOKEN = 'of the test'

/** A running program. */
export class Program {
  readonly process: ChildProcessByStdio<null, Readable, Readable>
  /** What it has written to either stream. */
  output = ''
  /** The exit status; null where a signal ended it. */
  readonly exited: Promise<number | null>

  constructor(directory: string, file: string) {
    this.process = spawn(process.execPath, ['runner.mjs', `./${file}`], { cwd: directory, env: { ...process.env, STATS_TOKEN }, stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => (this.output += text))
    }
    this.exited = once(this.process, 'close').then(([code]) => code as number | null)
  }

  /** Waits for a text in what it writes. */
  async says(text: string): Promise<void> {
    const ended = this.exited.then(() => {
      throw new Error(`the program ended before it said "${text}": ${this.output}`)
    })
    // It ends some time after it has said it, too.
    ended.catch(() => undefined)
    while (!this.output.includes(text)) await Promise.race([once(this.process.stdout, 'data'), ended])
  }

  /** Ends it as a process manager does; resolves with its exit status. */
  async stop(): Promise<number | null> {
    this.process.kill('SIGTERM')
    return this.exited
  }
}

export class Project {
  readonly directory: string
  readonly socket: string
  /** In the place of port 3000. */
  readonly front: string
  readonly #programs: Program[] = []

  static async create(): Promise<Project> {
    const project = new Project(await mkdtemp(join(tmpdir(), 'readme-')))
    const modules = join(project.directory, 'node_modules')
    await mkdir(modules)
    await symlink(root, join(modules, 'express-responder'))
    for (const name of MODULES) await symlink(join(root, 'node_modules', name), join(modules, name))
    await project.write('package.json', JSON.stringify({ name: 'app', private: true, type: 'module' }))
    await project.write('app.js', APP)
    await project.write('runner.mjs', RUNNER)
    return project
  }

  private constructor(directory: string) {
    this.directory = directory
    this.socket = join(directory, 'app.sock')
    this.front = join(directory, 'front.sock')
  }

  async write(file: string, text: string): Promise<void> {
    await mkdir(dirname(join(this.directory, file)), { recursive: true })
    await writeFile(join(this.directory, file), text)
  }

  /** Runs a block of code; waits until it says `sign`. */
  async run(file: string, text: string, sign = 'ready'): Promise<Program> {
    const own = text.replaceAll(PAGES_SOCKET, this.socket).replace(PAGES_PORT, `listen(${JSON.stringify(this.front)})`)
    await this.write(file, own)
    const program = new Program(this.directory, file)
    this.#programs.push(program)
    await program.says(sign)
    return program
  }

  async remove(): Promise<void> {
    for (const program of this.#programs) {
      program.process.kill('SIGKILL')
      await program.exited
    }
    await rm(this.directory, { recursive: true, force: true })
  }
}
