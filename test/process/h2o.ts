/** h2o in front of the app's socket, as its documentation has FastCGI: a connection for each request. */
import { findProgram } from '../proxies/support/programs.js'
import { webServer } from '../proxies/support/web-server.js'

const PROGRAM = findProgram('h2o')

export const h2o = webServer(
  { name: 'h2o', example: 'h2o/h2o.conf', package: 'h2o', installed: PROGRAM !== undefined },
  async (workspace, port) => {
    const user = process.getuid?.() === 0 ? 'user: root\n' : ''
    const file = await workspace.write('h2o.conf', `${user}pid-file: ${workspace.directory}/h2o.pid
error-log: ${workspace.directory}/h2o.log
num-threads: 1
temp-buffer-path: ${workspace.directory}
hosts:
  "app.example.com:${String(port)}":
    listen:
      host: 127.0.0.1
      port: ${String(port)}
    paths:
      "/":
        fastcgi.connect:
          port: ${workspace.socket}
          type: unix
`)
    return { program: PROGRAM ?? 'h2o', args: ['-m', 'worker', '-c', file] }
  },
)
