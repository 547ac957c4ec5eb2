/** Two hosts with the command behind one web server: two addresses of this machine, limits in one Redis, configured by `express-responder config`. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { config } from '../cli/support/config-command.js'
import { haproxy } from '../proxies/support/servers/haproxy.js'
import { nginx } from '../proxies/support/servers/nginx.js'
import type { RunningServer } from '../proxies/support/web-server.js'
import { createWorkspace, type Workspace } from '../proxies/support/workspace.js'
import { RedisServer } from '../support/redis-server.js'
import { Command } from './command.js'

const APP = fileURLToPath(new URL('programs/limited.js', import.meta.url))
/** How many requests may run at a time, on both together. */
export const CAP = 6
/** How many requests a client may make of /rated, on both together. */
export const RATE = 10

/** The web servers that can be in front. */
export type Balancer = 'haproxy' | 'nginx'

/** A host: an address, and the command that listens there. */
export class Host {
  readonly place: string
  readonly #workspace: Workspace
  readonly #environment: Readonly<Record<string, string>>
  readonly #options: readonly string[]
  command: Command | undefined

  constructor(address: string, workspace: Workspace, redis: RedisServer, options: readonly string[]) {
    const port = String(workspace.appPort)
    this.place = `${address}:${port}`
    this.#workspace = workspace
    // Both web servers connect from 127.0.0.1.
    this.#environment = { FCGI_WEB_SERVER_ADDRS: '127.0.0.1', REDIS: String(redis.port), CAP: String(CAP), RATE: String(RATE), RUNS: this.file('runs'), ARRIVALS: this.file('arrivals') }
    this.#options = ['--host', address, '--port', port, '--control-socket', this.file(`${address}.control`), '--probes', ...options]
  }

  file(name: string): string {
    return join(this.#workspace.directory, name)
  }

  get running(): Command {
    if (this.command === undefined) throw new Error('this host was not started')
    return this.command
  }

  /** The processes of its workers. */
  get workers(): number[] {
    const pid = String(this.running.child.process.pid)
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim().split(' ').map(Number)
  }

  async start(): Promise<void> {
    this.command = new Command([APP, ...this.#options], this.#environment, { detached: true })
    await this.command.logged('listening')
  }
}

/** Two hosts, Redis, and the web server. */
export class Hosts {
  readonly workspace: Workspace
  readonly redis: RedisServer
  readonly front: RunningServer
  readonly both: readonly [Host, Host]

  private constructor(workspace: Workspace, redis: RedisServer, both: readonly [Host, Host], front: RunningServer) {
    this.workspace = workspace
    this.redis = redis
    this.both = both
    this.front = front
  }

  /** @param options of the command, on both */
  static async start(balancer: Balancer, ...options: readonly string[]): Promise<Hosts> {
    const redis = await RedisServer.start()
    const workspace = await createWorkspace()
    const both = [new Host('127.0.0.2', workspace, redis, options), new Host('127.0.0.3', workspace, redis, options)] as const
    const words = [balancer, '--listen', '127.0.0.1:8080', '--upstream', ...both.map(({ place }) => place)]
    const text = await config(...words, ...(balancer === 'haproxy' ? ['--health', '/readyz'] : []))
    const server = balancer === 'haproxy' ? haproxy('HAProxy', 'haproxy/haproxy.cfg', { edit: () => text }) : nginx('nginx', 'nginx/app.conf', { edit: () => text })
    await Promise.all([both[0].start(), both[1].start()])
    return new Hosts(workspace, redis, both, await server.start(workspace))
  }

  get arrivals(): string {
    return join(this.workspace.directory, 'arrivals')
  }

  /**
   * The most requests that ran at a time, on both together.
   *
   * @param killed processes whose requests ended with them
   */
  mostAtOnce(killed: ReadonlySet<number>): number {
    const running = new Map<number, number>()
    let most = 0
    const lines = readFileSync(join(this.workspace.directory, 'runs'), 'latin1').trim().split('\n').map((line) => line.split(' '))
    const lastOf = new Map(lines.map(([, pid], index) => [Number(pid), index]))
    lines.forEach(([what, text], index) => {
      const pid = Number(text)
      running.set(pid, (running.get(pid) ?? 0) + (what === 'begin' ? 1 : -1))
      most = Math.max(most, [...running.values()].reduce((sum, count) => sum + count, 0))
      if (killed.has(pid) && lastOf.get(pid) === index) running.delete(pid)
    })
    return most
  }

  async stop(): Promise<void> {
    await this.front.stop()
    for (const { command } of this.both) await command?.killAll()
    await this.redis.stop()
    await this.workspace.remove()
  }
}
