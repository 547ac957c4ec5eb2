/** What is measured: an app with so many processes, and a web server in front of it. */
import { execFile, spawn, type ChildProcess, type SpawnOptions } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { userInfo } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { freePort, stop, untilListening } from '../launch.js'
import type { Address } from '../load.js'
import { phpFpm } from '../roster.js'

/** The version that is compared with. It is installed in a folder for temporary files, not in this project. */
const PM2 = 'pm2@7.0.4'
const COMMAND = fileURLToPath(new URL('../../lib/cli/main.js', import.meta.url))
const HTTP_SERVER = fileURLToPath(new URL('http-server.js', import.meta.url))
const PHP = fileURLToPath(new URL('../../../bench/peers/php/', import.meta.url))

const INHERITED: SpawnOptions = { stdio: ['ignore', 'inherit', 'inherit'] }
/** How many have been started: each has a socket of its own. */
let commands = 0

/** An app that runs. */
export interface Deployment {
  readonly title: string
  readonly address: Address
  readonly protocol: 'fastcgi' | 'http'
  /** The file that answers, where the server runs files. */
  readonly script?: string
  /** Whether connections can be kept: a child of php-fpm serves one until it is closed, and all other clients wait for it. */
  readonly keeps: boolean
  readonly pid: number
  stop(): Promise<void>
}

/** This package's command, with an app of this folder. */
export async function startCommand(directory: string, workers: number, { app = 'app', env = {} } = {}): Promise<Deployment> {
  const socket = path.join(directory, `command-${String(commands++)}.sock`)
  const module = fileURLToPath(new URL(`${app}.js`, import.meta.url))
  const args = [COMMAND, module, '--socket', socket, '--mode', '0666', '--workers', String(workers), '--boot-path', '/work?n=1', '--log-level', 'error']
  const child = spawn(process.execPath, args, { ...INHERITED, env: { ...process.env, ...env } })
  return started(`the command, ${String(workers)} workers`, child, { path: socket }, 'fastcgi')
}

/** Debian's php-fpm. */
export async function startPhpFpm(directory: string, children: number): Promise<Deployment> {
  const program = phpFpm()
  if (program === undefined) throw new Error('php-fpm is not installed: Debian package php-fpm')
  const own = path.join(directory, 'php')
  await mkdir(own)
  const socket = path.join(own, 'php.sock')
  const args = ['--nodaemonize', '--fpm-config', path.join(PHP, 'php-fpm.conf'), ...(process.getuid?.() === 0 ? ['-R'] : [])]
  const env = { ...process.env, BENCH_SOCKET: socket, BENCH_DIRECTORY: own, BENCH_USER: userInfo().username, BENCH_WORKERS: String(children) }
  const deployment = await started(`php-fpm, ${String(children)} children`, spawn(program, args, { ...INHERITED, env }), { path: socket }, 'fastcgi')
  return { ...deployment, script: path.join(PHP, 'work.php'), keeps: false }
}

/** The cluster mode of pm2. */
export async function startPm2(directory: string, processes: number): Promise<Deployment> {
  const port = await freePort()
  const own = path.join(directory, 'pm2')
  const program = await installPm2(directory)
  const args = [program, 'start', HTTP_SERVER, '-i', String(processes), '--raw']
  const env = { ...process.env, PORT: String(port), PM2_HOME: own, PM2_DISCRETE_MODE: 'true', NODE_ENV: 'production' }
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'], env })
  return started(`${PM2} cluster, ${String(processes)} processes, HTTP`, child, { host: '127.0.0.1', port }, 'http')
}

async function started(title: string, child: ChildProcess, address: Address, protocol: 'fastcgi' | 'http'): Promise<Deployment> {
  await untilListening(child, title, address)
  return { title, address, protocol, keeps: true, pid: child.pid ?? 0, stop: () => stop(child) }
}

async function installPm2(directory: string): Promise<string> {
  const folder = process.env['BENCH_PM2'] ?? path.join(directory, 'pm2-installed')
  const program = path.join(folder, 'node_modules/pm2/bin/pm2-runtime')
  if (!existsSync(program)) {
    await mkdir(folder, { recursive: true })
    await promisify(execFile)('npm', ['install', PM2, '--prefix', folder, '--ignore-scripts', '--no-audit', '--no-fund'])
  }
  return program
}
