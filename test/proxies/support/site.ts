/** A web server and the app behind it, started and stopped together. */
import { once } from 'node:events'
import { chmod } from 'node:fs/promises'
import { createServer } from 'express-responder'
import type { FastCgiServer, ServerOptions } from 'express-responder'
import { createApp } from './app.js'
import { deployApp, eventsPath } from './deployment.js'
import { EventHub } from './events.js'
import type { RunningServer, WebServer } from './web-server.js'
import { createWorkspace } from './workspace.js'
import type { Workspace } from './workspace.js'

/** A running site. */
export interface Site {
  readonly origin: string
  readonly web: RunningServer
  readonly events: EventHub
  readonly workspace: Workspace
  /** The app's server, where it runs in the test's own process. */
  readonly app: FastCgiServer | undefined
  /** Connections that the app's server has accepted so far. */
  connections(): number
  stop(): Promise<void>
}

/** Starts the app (unless the web server does), then the web server. `prepare` adds to the workspace before. */
export async function startSite(
  server: WebServer,
  options: ServerOptions = {},
  prepare?: (workspace: Workspace) => Promise<void>,
): Promise<Site> {
  const workspace = await createWorkspace()
  await prepare?.(workspace)
  const events = new EventHub()
  let connections = 0
  let app: FastCgiServer | undefined
  if (server.startsApp) {
    await events.listen(eventsPath(workspace))
    await deployApp(workspace)
  } else {
    app = createServer(createApp(events), options)
    app.on('connection', () => connections++)
    if (server.appOn === 'port') app.listen(workspace.appPort, '127.0.0.1')
    else app.listen(workspace.socket)
    await once(app, 'listening')
    // Whoever the web server runs as; in production the group does this.
    if (server.appOn === 'socket') await chmod(workspace.socket, 0o666)
  }
  const stopApp = async (): Promise<void> => {
    app?.closeAllConnections()
    app?.close()
    await events.close()
    await workspace.remove()
  }
  const web = await server.start(workspace).catch(async (error: unknown) => {
    await stopApp()
    throw error
  })
  return {
    origin: web.origin,
    web,
    events,
    workspace,
    app,
    connections: () => connections,
    async stop() {
      await web.stop()
      await stopApp()
    },
  }
}
