/** A folder of examples/ as a user has it: copied out of the packed package, and run by what lies in it. */
import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, linkSync } from 'node:fs'
import { cp, readFile, symlink } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import type { Workspace as Package } from '../package/packed.js'
import { copyDependencies } from '../proxies/support/deployment.js'
import { createWorkspace, type Workspace } from '../proxies/support/workspace.js'

/** What runs an app: the command of a unit file, say, with its environment. */
export interface Launch {
  command: readonly string[]
  environment: Readonly<Record<string, string>>
}

/** A running app. */
export interface App {
  /** All that it has written. */
  output(): string
  /** Sends SIGTERM; resolves with the exit status, null where a signal ended it. */
  stop(): Promise<number | null>
}

/** A copied folder, at the place of /srv/app, with the package and Express installed. */
export class Copy {
  readonly workspace: Workspace
  /** The copy. */
  readonly directory: string
  readonly #running: ChildProcessByStdio<null, Readable, Readable>[] = []

  /** @param whole whether all packages are copied, for an app that another user starts: links lead to where that one may not read */
  static async create(packed: Package, folder: string, whole = false): Promise<Copy> {
    const workspace = await createWorkspace()
    const source = join(packed.directory, 'node_modules/express-responder')
    await cp(join(source, 'examples', folder), workspace.srv, { recursive: true })
    const modules = join(workspace.srv, 'node_modules')
    if (whole) {
      await cp(source, join(modules, 'express-responder'), { recursive: true })
      await copyDependencies(modules)
    } else {
      await symlink(join(packed.directory, 'node_modules'), modules)
    }
    return new Copy(workspace)
  }

  private constructor(workspace: Workspace) {
    this.workspace = workspace
    this.directory = workspace.srv
  }

  /** The text of a file of the copy. */
  text(file: string): Promise<string> {
    return readFile(join(this.directory, file), 'utf8')
  }

  /** What a unit file says; later lines of `Environment=` add to the earlier ones. */
  async unit(file = 'app.service'): Promise<Launch> {
    const lines = (await this.text(file)).split('\n').map((line) => /^(\w+)=(.*)$/.exec(line))
    const values = (key: string): string[] => lines.flatMap((match) => match?.[1] === key ? (match[2] ?? '').split(' ') : [])
    return { command: values('ExecStart'), environment: Object.fromEntries(values('Environment').map((text) => text.split('=') as [string, string])) }
  }

  /** Starts the app, with this machine's names in the place of those in the files; resolves once its socket is there. */
  async run({ command, environment }: Launch, more: Readonly<Record<string, string>> = {}): Promise<App> {
    const app = this.#spawn(command, { ...environment, ...more }, [])
    const end = once(app.child, 'exit')
    while (!existsSync(this.workspace.socket)) {
      const ended = await Promise.race([end.then(() => true), once(app.child.stdout, 'data').then(() => false)])
      if (ended && !existsSync(this.workspace.socket)) throw new Error(`the app has ended: ${app.output()}`)
    }
    return app
  }

  /** Starts it as systemd does with a socket unit: with the listening socket as descriptor 3. */
  async runOnSocket({ command, environment }: Launch): Promise<App> {
    const server = createServer((socket) => socket.destroy())
    // By the other name the file stays when its maker closes the socket.
    server.listen(`${this.workspace.socket}.bound`)
    await once(server, 'listening')
    linkSync(`${this.workspace.socket}.bound`, this.workspace.socket)
    const handle: unknown = Reflect.get(server, '_handle')
    const fd: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined
    if (typeof fd !== 'number') throw new Error('no descriptor')
    // LISTEN_PID is the very process that becomes the app.
    const app = this.#spawn(['/bin/sh', '-c', 'LISTEN_PID=$$ exec "$@"', 'sh', ...command], { ...environment, LISTEN_FDS: '1' }, [fd])
    // Else it would take connections, too.
    server.close()
    return app
  }

  #spawn(command: readonly string[], environment: Readonly<Record<string, string>>, inherited: readonly number[]): App & { child: ChildProcessByStdio<null, Readable, Readable> } {
    const adapted = Object.entries(environment).map(([name, value]) => [name, this.workspace.adapt(value, 0)] as const)
    const env: Record<string, string> = { ...Object.fromEntries(adapted) }
    // Only root may give a socket to any group; the web server is then root's or that group's, and else one's own.
    if (env['SOCKET_GROUP'] !== undefined && process.getuid?.() !== 0) env['SOCKET_GROUP'] = String(process.getgid?.())
    const [program = '', ...args] = command.map((word) => this.workspace.adapt(word, 0))
    const child = spawn(program, args, { cwd: this.directory, env, stdio: ['ignore', 'pipe', 'pipe', ...inherited] }) as ChildProcessByStdio<null, Readable, Readable>
    this.#running.push(child)
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (output += text))
    return {
      child,
      output: () => output,
      async stop() {
        const ended = once(child, 'close').then(([code]) => code as number | null)
        child.kill('SIGTERM')
        return ended
      },
    }
  }

  /** Ends what still runs, and removes the copy. */
  async remove(): Promise<void> {
    for (const child of this.#running) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
    }
    await this.workspace.remove()
  }
}
