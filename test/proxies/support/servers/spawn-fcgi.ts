/** spawn-fcgi starting the app with the script in examples/, and a web server before it. */
import { findProgram } from '../programs.js'
import { startChild } from '../child.js'
import type { Child } from '../child.js'
import { accepts } from '../ports.js'
import type { WebServer } from '../web-server.js'
import type { Workspace } from '../workspace.js'

const PROGRAM = findProgram('spawn-fcgi')
const READY_LIMIT_MS = 15_000

/** spawn-fcgi with the script in examples/ and the workspace's srv/app.js; resolves once the socket accepts. */
export async function startSpawnFcgi(workspace: Workspace, example: string): Promise<Child> {
  const program = startChild(await workspace.install(example, 0), [])
  const deadline = Date.now() + READY_LIMIT_MS
  if (await accepts({ path: workspace.socket }, () => program.running && Date.now() < deadline)) return program
  await program.stop()
  throw new Error(`spawn-fcgi does not start:\n${program.logs()}`)
}

/** The app started by spawn-fcgi, behind `front`. */
export function spawnFcgi(name: string, example: string, front: WebServer): WebServer {
  const installed = PROGRAM !== undefined
  return {
    name,
    example,
    package: installed ? front.package : 'spawn-fcgi',
    installed: installed && front.installed,
    startsApp: true,
    appOn: 'socket',
    encrypted: front.encrypted,
    configure: (workspace, port) => front.configure(workspace, port),
    async start(workspace) {
      const program = await startSpawnFcgi(workspace, example)
      const web = await front.start(workspace)
      return {
        origin: web.origin,
        port: web.port,
        get running() {
          return web.running && program.running
        },
        logs: () => program.logs() + web.logs(),
        signal: (name) => {
          web.signal(name)
        },
        async stop() {
          await web.stop()
          await program.stop()
        },
      }
    },
  }
}
