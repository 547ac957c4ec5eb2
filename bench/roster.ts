/** The servers that are compared: what each is called, what it speaks, and how it is started. */
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { userInfo } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { CaseName } from './cases.js'
import { findProgram } from './programs.js'
import type { Protocol } from './wire.js'

const PEERS = fileURLToPath(new URL('../../bench/peers/', import.meta.url))
const COMMAND = fileURLToPath(new URL('../lib/cli/main.js', import.meta.url))
const SBIN = '/usr/sbin'

/** How a server's program is called. */
export interface Command {
  file: string
  args: string[]
  env?: NodeJS.ProcessEnv
}

/** What a server needs to know to start. */
export interface Surroundings {
  /** The Unix socket's path, or the port, to listen on. */
  address: string
  /** A directory for files of this run. */
  directory: string
  /** The Node binary that server programs run on. */
  node: string
  /** Connections that the load generator keeps open at once. */
  clients: number
}

/** One server of the comparison. */
export interface ServerKind {
  /** What the report calls it. */
  title: string
  protocol: Protocol
  transport: 'unix' | 'tcp'
  /** Whether it honours a request to keep the connection. */
  keeps: boolean
  /** Whether it is a Node program of `bench/servers`, which tells its memory and runs under callgrind. */
  isNode: boolean
  /** Whether it is only run when it is named. */
  isExtra?: boolean
  /** What is missing to run it, if anything. */
  missing(): string | undefined
  command(surroundings: Surroundings): Command
  /** The cases it can tell apart when the requests are not the load generator's own; all by default. */
  casesBehindProxy?: readonly CaseName[]
  /** The file that answers a case, for a server that runs files. */
  scriptFilename?(name: CaseName): string
}

function nodeServer(program: string, kind: Pick<ServerKind, 'title' | 'protocol'> & Partial<ServerKind>, args: readonly string[] = []): ServerKind {
  return {
    transport: 'unix',
    keeps: true,
    isNode: true,
    missing: () => undefined,
    command: ({ node, address }) => ({
      file: node,
      args: [fileURLToPath(new URL(`servers/${program}.js`, import.meta.url)), address, ...args],
    }),
    ...kind,
  }
}

/** What `with-middleware` mounts around the app, and how the report calls it. */
const MOUNTED = {
  'nothing': 'nothing mounted',
  'recovery': 'recovery()',
  'fixed-limit': 'concurrencyLimit({ limit: 64 })',
  'auto-limit': 'concurrencyLimit()',
  'rate-limit': 'rateLimit()',
  'memory': 'memoryStats()',
  'all': 'all four',
  'suite': 'suite()',
  'mounted': 'an app in an app',
  'others': "others' for the same four jobs",
} as const

/**
 * What they are mounted over: a protocol, or HTTP with the prepared prototypes. The last is on TCP: on a Unix socket no client has an
 * address that a rate could be limited by.
 */
const CARRIERS = {
  fastcgi: 'this adapter, Express 5',
  http: 'HTTP on a Unix socket, Express 5',
  prepared: 'HTTP on TCP, prepared(app)',
} as const
type MountedServers<Over extends keyof typeof CARRIERS> = Readonly<Record<`${keyof typeof MOUNTED}-${Over}`, ServerKind>>

/** Express 5 with each of these over one of them; only run when they are named. */
function withMiddleware<Over extends keyof typeof CARRIERS>(over: Over): MountedServers<Over> {
  const entries = Object.entries(MOUNTED).map(([name, call]) => {
    const protocol = over === 'fastcgi' ? 'fastcgi' : 'http'
    const transport = over === 'prepared' ? 'tcp' : 'unix'
    const kind = { title: `${CARRIERS[over]}, ${call}`, protocol, transport, isExtra: true } as const
    return [`${name}-${over}`, nodeServer('with-middleware', kind, [over, name])]
  })
  return Object.fromEntries(entries) as MountedServers<Over>
}

export const ROSTER = {
  'express-fastcgi': nodeServer('express-fastcgi', { title: 'this adapter, Express 5', protocol: 'fastcgi' }),
  'express-http': nodeServer('express-http', { title: 'HTTP on a Unix socket, Express 5', protocol: 'http' }),
  'express-tcp': nodeServer('express-http', { title: 'HTTP on TCP, Express 5', protocol: 'http', transport: 'tcp' }),
  'prepared-http': nodeServer('prepared-http', { title: 'HTTP on a Unix socket, prepared(app)', protocol: 'http' }),
  ...withMiddleware('http'),
  ...withMiddleware('fastcgi'),
  ...withMiddleware('prepared'),
  'serve': nodeServer('serve', { title: 'serve() in a script, Express 5', protocol: 'fastcgi', isNode: false, isExtra: true }),
  'command': {
    title: 'the command with one worker, Express 5',
    protocol: 'fastcgi',
    transport: 'unix',
    keeps: true,
    isNode: false,
    isExtra: true,
    missing: () => undefined,
    command: ({ node, address }) => ({
      file: node,
      args: [COMMAND, fileURLToPath(new URL('servers/exported-app.js', import.meta.url)), '--socket', address, '--boot-path', '/hello', '--log-level', 'error'],
    }),
  },
  'node-fastcgi': nodeServer('node-fastcgi', {
    title: 'node-fastcgi 2.0.0, Express 5',
    protocol: 'fastcgi',
    keeps: false,
    missing: () => (resolves('node-fastcgi') ? undefined : 'npm package node-fastcgi'),
  }),
  'bare-fastcgi': nodeServer('bare-fastcgi', { title: 'this adapter, bare', protocol: 'fastcgi' }),
  'bare-http': nodeServer('bare-http', { title: 'HTTP on a Unix socket, bare', protocol: 'http' }),
  floor: nodeServer('floor', {
    title: 'the floor: net, precomputed bytes',
    protocol: 'fastcgi',
    casesBehindProxy: ['hello'],
  }),
  go: {
    title: "Go's net/http/fcgi, bare, GOMAXPROCS=1",
    protocol: 'fastcgi',
    transport: 'unix',
    keeps: true,
    isNode: false,
    missing: () => (findProgram('go') === undefined ? 'Debian package golang-go' : undefined),
    command: ({ address, directory }) => ({
      file: buildGo(directory),
      args: [address],
      env: { ...process.env, GOMAXPROCS: '1' },
    }),
  },
  php: {
    title: 'php-fpm, a one-line script',
    protocol: 'fastcgi',
    transport: 'unix',
    keeps: true,
    isNode: false,
    missing: () => (phpFpm() === undefined ? 'Debian package php-fpm' : undefined),
    command: ({ address, directory, clients }) => ({
      file: phpFpm() ?? 'php-fpm',
      args: ['--nodaemonize', '--fpm-config', path.join(PEERS, 'php/php-fpm.conf'), ...(isRoot() ? ['-R'] : [])],
      env: {
        ...process.env,
        BENCH_SOCKET: address,
        BENCH_DIRECTORY: directory,
        BENCH_USER: userInfo().username,
        BENCH_WORKERS: String(clients),
      },
    }),
    scriptFilename: (name) => path.join(PEERS, `php/${name}.php`),
  },
} as const satisfies Record<string, ServerKind>

export type ServerName = keyof typeof ROSTER
export const SERVER_NAMES = Object.keys(ROSTER) as ServerName[]
/** Those that are run where none is named. */
export const USUAL_SERVER_NAMES: readonly ServerName[] = SERVER_NAMES.filter((name) => serverKind(name).isExtra !== true)

/** The server of that name. */
export function serverKind(name: ServerName): ServerKind {
  return ROSTER[name]
}

function resolves(name: string): boolean {
  try {
    createRequire(import.meta.url).resolve(name)
    return true
  } catch {
    return false
  }
}

/** The program of php-fpm, or undefined where none is installed. */
export function phpFpm(): string | undefined {
  const program = existsSync(SBIN) ? readdirSync(SBIN).find((name) => /^php-fpm[\d.]*$/.test(name)) : undefined
  return program === undefined ? undefined : path.join(SBIN, program)
}

function isRoot(): boolean {
  return process.getuid?.() === 0
}

function buildGo(directory: string): string {
  const binary = path.join(directory, 'go-fcgi')
  if (!existsSync(binary)) {
    execFileSync('go', ['build', '-o', binary, path.join(PEERS, 'go/main.go')], {
      env: { GOCACHE: path.join(directory, 'go-cache'), ...process.env, GO111MODULE: 'off' },
      stdio: ['ignore', 'ignore', 'inherit'],
    })
  }
  return binary
}
