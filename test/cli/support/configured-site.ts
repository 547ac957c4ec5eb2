/** A web server with a configuration that the command has printed, and apps behind it on serve(). */
import { dirname } from 'node:path'
import { mkdir } from 'node:fs/promises'
import { serve, type ServeOptions, type Serving } from 'express-responder'
import { createApp } from '../../proxies/support/app.js'
import { runToEnd } from '../../proxies/support/child.js'
import { EventHub } from '../../proxies/support/events.js'
import { freePort } from '../../proxies/support/ports.js'
import { findProgram, type Requirement } from '../../proxies/support/programs.js'
import { apache } from '../../proxies/support/servers/apache.js'
import { h2o } from '../../proxies/support/servers/h2o.js'
import { haproxy } from '../../proxies/support/servers/haproxy.js'
import { lighttpd } from '../../proxies/support/servers/lighttpd.js'
import { nginx } from '../../proxies/support/servers/nginx.js'
import { webServer, type RunningServer, type WebServer } from '../../proxies/support/web-server.js'
import { createWorkspace, type Workspace } from '../../proxies/support/workspace.js'
import { config } from './config-command.js'

/** A web server that the command knows. */
export type ServerName = 'nginx' | 'apache' | 'lighttpd' | 'caddy' | 'haproxy' | 'h2o'

interface Frame {
  /** The server with this text in its frame. */
  server: (text: string) => WebServer
  /** Its own check of the files in a workspace in which it has been started. */
  check: (workspace: Workspace) => readonly string[]
}

const CADDY = findProgram('caddy')

/** Caddy keeps its state at home. */
function caddyEnvironment(directory: string): NodeJS.ProcessEnv {
  return { ...process.env, HOME: directory, XDG_CONFIG_HOME: directory, XDG_DATA_HOME: directory }
}

const FRAMES: Readonly<Record<ServerName, Frame>> = {
  nginx: {
    server: (text) => nginx('nginx', 'nginx/app.conf', { edit: () => text }),
    check: ({ directory }) => ['nginx', '-t', '-c', `${directory}/nginx.conf`, '-p', directory, '-e', 'stderr'],
  },
  apache: {
    server: (text) => apache({ name: 'Apache', example: 'apache/app.conf', modules: ['proxy', 'proxy_fcgi'], edit: () => text }),
    check: ({ directory }) => ['apache2', '-t', '-f', `${directory}/apache.conf`],
  },
  lighttpd: {
    server: (text) => lighttpd('lighttpd', 'lighttpd/app.conf', { edit: () => text }),
    check: ({ directory }) => ['lighttpd', '-tt', '-f', `${directory}/lighttpd.conf`],
  },
  caddy: {
    server: (text) => webServer({ name: 'Caddy', example: 'caddy/Caddyfile', package: 'caddy', installed: CADDY !== undefined }, async (workspace, port) => {
      const { directory } = workspace
      await workspace.write('site.caddy', workspace.adapt(text, port))
      const file = await workspace.write('Caddyfile', `{\n\tadmin off\n\tauto_https disable_redirects\n}\nimport ${directory}/site.caddy\n`)
      return { program: CADDY ?? 'caddy', args: ['run', '--config', file, '--adapter', 'caddyfile'], env: caddyEnvironment(directory) }
    }),
    // The frame is not as `caddy fmt` has it, the printed text is.
    check: ({ directory }) => ['caddy', 'validate', '--adapter', 'caddyfile', '--config', `${directory}/site.caddy`],
  },
  haproxy: {
    server: (text) => haproxy('HAProxy', 'haproxy/haproxy.cfg', { edit: () => text }),
    check: ({ directory }) => ['haproxy', '-c', '-f', `${directory}/frame.cfg`, '-f', `${directory}/site.cfg`],
  },
  h2o: {
    server: (text) => h2o('h2o', 'h2o/h2o.conf', { edit: () => text }),
    check: ({ directory }) => ['h2o', '-t', '-c', `${directory}/h2o.conf`],
  },
}

/** What a machine needs for a server's tests. */
export function requirementOf(name: ServerName): Requirement {
  return FRAMES[name].server('')
}

/** What a web server says of its configuration. */
export interface Checked {
  readonly code: number | null
  readonly output: string
}

/** A running site. */
export interface ConfiguredSite {
  readonly origin: string
  readonly web: RunningServer
  readonly events: EventHub
  readonly workspace: Workspace
  /** The apps, in the order of the places that were given. */
  readonly apps: readonly Serving[]
  /** Connections that the first app has accepted so far. */
  connections(): number
  /** The server's own check of its configuration: the exit status, and what it said. */
  check(): Promise<Checked>
  stop(): Promise<void>
}

/** How a site is to be. */
export interface Wanted {
  /** Options of the command, beside --listen; /run/app, /srv/app and 127.0.0.1:9000 stand for the test's own. */
  words?: readonly string[]
  /** Options of serve() for each app; one on the default socket where none are given. */
  apps?: (workspace: Workspace) => Promise<readonly ServeOptions[]> | readonly ServeOptions[]
  /** Adds to the workspace before anything starts. */
  prepare?: (workspace: Workspace) => Promise<void>
}

/** Prints a configuration, starts the apps, and the web server with it. */
export async function startConfigured(name: ServerName, { words = [], apps = defaultApp, prepare }: Wanted = {}): Promise<ConfiguredSite> {
  const workspace = await createWorkspace()
  const events = new EventHub()
  const servings: Serving[] = []
  let web: RunningServer | undefined
  const stop = async (): Promise<void> => {
    await web?.stop()
    await Promise.all(servings.map(async (serving) => {
      serving.server.closeAllConnections()
      await serving.stop()
    }))
    await workspace.remove()
  }
  try {
    await prepare?.(workspace)
    for (const options of await apps(workspace)) {
      if (options.socket !== undefined) await mkdir(dirname(options.socket), { recursive: true })
      servings.push(await serve(createApp(events), { mode: options.socket === undefined ? undefined : 0o666, signals: false, stopTimeout: 500, ...options }))
    }
    let connections = 0
    servings[0]?.server.on('connection', () => connections++)
    const text = await config(name, '--listen', '127.0.0.1:8080', ...words.map((word) => word.replace(/^PORT(\d)$/, (_, index: string) => placeOf(servings[Number(index)]))))
    web = await FRAMES[name].server(text).start(workspace)
    return {
      origin: web.origin,
      web,
      events,
      workspace,
      apps: servings,
      connections: () => connections,
      check: () => check(name, workspace),
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Prints a configuration and has the web server check it, without starting it. */
export async function checkPrinted(name: ServerName, words: readonly string[]): Promise<Checked> {
  const workspace = await createWorkspace()
  try {
    const text = await config(name, ...words)
    await FRAMES[name].server(text).configure(workspace, await freePort())
    return await check(name, workspace)
  } finally {
    await workspace.remove()
  }
}

async function check(name: ServerName, workspace: Workspace): Promise<Checked> {
  const [program = '', ...args] = FRAMES[name].check(workspace)
  const { code, stdout, stderr } = await runToEnd(findProgram(program) ?? program, args, { env: caddyEnvironment(workspace.directory) })
  return { code, output: stdout.toString() + stderr }
}

function defaultApp({ socket }: Workspace): ServeOptions[] {
  return [{ socket }]
}

/** PORT0 stands for where the first app listens. */
function placeOf(serving: Serving | undefined): string {
  const address = serving?.server.address()
  if (typeof address !== 'object' || address === null) throw new Error('this app does not listen on TCP')
  return `127.0.0.1:${String(address.port)}`
}
