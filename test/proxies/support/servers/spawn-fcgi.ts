/** spawn-fcgi starting the app with the script in examples/, and a web server before it. */
import { findProgram } from '../programs.js'
import { startChild } from '../child.js'
import { accepts } from '../ports.js'
import type { WebServer } from '../web-server.js'

const PROGRAM = findProgram('spawn-fcgi')
const READY_LIMIT_MS = 15_000

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
    async start(workspace) {
      const script = await workspace.install(example, 0, 'start.sh')
      const program = startChild(script, [])
      const deadline = Date.now() + READY_LIMIT_MS
      const ready = await accepts({ path: workspace.socket }, () => program.running && Date.now() < deadline)
      if (!ready) {
        await program.stop()
        throw new Error(`${name} does not start:\n${program.logs()}`)
      }
      const web = await front.start(workspace)
      return {
        origin: web.origin,
        port: web.port,
        get running() {
          return web.running && program.running
        },
        logs: () => program.logs() + web.logs(),
        async stop() {
          await web.stop()
          await program.stop()
        },
      }
    },
  }
}
