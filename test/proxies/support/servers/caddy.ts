/** Caddy, with its own state below the workspace and without its administration port. */
import { findProgram } from '../programs.js'
import { webServer } from '../web-server.js'
import type { Variation, WebServer } from '../web-server.js'
import { runToEnd } from '../child.js'
import { USER } from '../user.js'

const PROGRAM = findProgram('caddy')

/** Caddy with the Caddyfile in examples/caddy. */
export function caddy(name: string, example: string, { edit, encrypted = false }: Variation = {}): WebServer {
  return webServer({ name, example, package: 'caddy', installed: PROGRAM !== undefined, encrypted }, async (workspace, port) => {
    const program = PROGRAM ?? 'caddy'
    const env = {
      ...process.env,
      HOME: workspace.directory,
      XDG_CONFIG_HOME: workspace.directory,
      XDG_DATA_HOME: workspace.directory,
    }
    const hash = await runToEnd(program, ['hash-password', '--plaintext', USER.password], { env })
    await workspace.write('srv/users.caddy', `${USER.name} ${hash.stdout.toString().trim()}\n`)
    const site = await workspace.install(example, port, 'site.caddy', edit)
    const file = await workspace.write('Caddyfile', `{\n  admin off\n  auto_https disable_redirects\n}\nimport ${site}\n`)
    return { program, args: ['run', '--config', file, '--adapter', 'caddyfile'], env }
  })
}
