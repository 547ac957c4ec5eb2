/** HAProxy: the `global` and `defaults` sections that Debian's haproxy.cfg has, without user and chroot. */
import { findProgram } from '../programs.js'
import { webServer } from '../web-server.js'
import type { Variation, WebServer } from '../web-server.js'

const PROGRAM = findProgram('haproxy')

const FRAME = `global
  log stderr format raw local0
  nbthread 1
defaults
  log global
  mode http
  option httplog
  option dontlognull
  timeout connect 5000
  timeout client 50000
  timeout server 50000
`

type HaproxyOptions = Variation & { appOn?: WebServer['appOn'] }

/** HAProxy with the sections in examples/haproxy. */
export function haproxy(name: string, example: string, { edit, encrypted = false, appOn = 'socket' }: HaproxyOptions = {}): WebServer {
  return webServer({ name, example, package: 'haproxy', installed: PROGRAM !== undefined, encrypted, appOn }, async (workspace, port) => {
    const frame = await workspace.write('frame.cfg', FRAME)
    const site = await workspace.install(example, port, 'site.cfg', edit)
    return { program: PROGRAM ?? 'haproxy', args: ['-db', '-f', frame, '-f', site] }
  })
}
