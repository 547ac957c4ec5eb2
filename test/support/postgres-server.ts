/** A real PostgreSQL of the test's own, on a Unix socket in a directory of its own, that trusts everybody and syncs nothing. */
import { execFileSync } from 'node:child_process'
import { chownSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runToEnd, startChild, type Child } from '../proxies/support/child.js'
import { accepts, freePort } from '../proxies/support/ports.js'
import { findProgram, type Requirement } from '../proxies/support/programs.js'

const READY_LIMIT_MS = 20_000

/** Debian keeps each major version in a directory of its own, outside of PATH. */
function findPostgres(name: string): string | undefined {
  const onPath = findProgram(name)
  if (onPath !== undefined) return onPath
  try {
    const versions = readdirSync('/usr/lib/postgresql').sort((a, b) => Number(b) - Number(a))
    return versions.map((version) => findProgram(join('../lib/postgresql', version, 'bin', name))).find((path) => path !== undefined)
  } catch {
    return undefined
  }
}

const POSTGRES = findPostgres('postgres')
const INITDB = findPostgres('initdb')

/** For `describeIfInstalled()`. */
export const POSTGRESQL: Requirement = { package: 'postgresql', installed: POSTGRES !== undefined && INITDB !== undefined }

/** PostgreSQL refuses to run as root; the package has made a user for it. */
function account(): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {}
  const users = readFileSync('/etc/passwd', 'utf8').split('\n').map((line) => line.split(':'))
  const [, , uid, gid] = users.find(([name]) => name === 'postgres') ?? users.find(([name]) => name === 'nobody') ?? []
  return { uid: Number(uid), gid: Number(gid) }
}

export class PostgresServer {
  /** The directory of its socket: what `pg` and others take as host. */
  readonly host: string
  readonly port: number
  readonly user = 'test'
  readonly #child: Child

  private constructor(host: string, port: number, child: Child) {
    this.host = host
    this.port = port
    this.#child = child
  }

  static async start(): Promise<PostgresServer> {
    const directory = mkdtempSync(join(tmpdir(), 'pg-'))
    const as = account()
    if (as.uid !== undefined && as.gid !== undefined) chownSync(directory, as.uid, as.gid)
    const data = join(directory, 'data')
    const options = { ...as, cwd: directory, env: { ...process.env, LC_ALL: 'C', TZ: 'UTC' } }
    const made = await runToEnd(INITDB ?? 'initdb', ['--pgdata', data, '--auth', 'trust', '--username', 'test', '--no-sync', '--no-locale', '--encoding', 'UTF8'], options)
    if (made.code !== 0) throw new Error(`initdb fails: ${made.stderr}`)
    // The port is a part of the socket's name, no more.
    const port = await freePort()
    const settings = ['fsync=off', 'listen_addresses=', `unix_socket_directories=${directory}`, `port=${String(port)}`, 'max_connections=60', 'shared_buffers=16MB']
    const child = startChild(POSTGRES ?? 'postgres', ['-D', data, ...settings.flatMap((setting) => ['-c', setting])], options)
    const deadline = Date.now() + READY_LIMIT_MS
    const path = join(directory, `.s.PGSQL.${String(port)}`)
    if (!await accepts({ path }, () => child.running && Date.now() < deadline)) {
      await child.stop()
      throw new Error(`postgres does not start:\n${child.logs()}`)
    }
    return new PostgresServer(directory, port, child)
  }

  /** Which PostgreSQL it is. */
  static version(): string {
    return execFileSync(POSTGRES ?? 'postgres', ['--version'], { encoding: 'utf8' }).trim()
  }

  async stop(): Promise<void> {
    // Immediate shutdown: it leaves no process behind, and its data is thrown away.
    this.#child.signal('SIGQUIT')
    await this.#child.exited
    rmSync(this.host, { recursive: true, force: true })
  }
}
