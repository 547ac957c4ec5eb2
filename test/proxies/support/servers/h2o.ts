/** h2o: the frame that Debian's h2o.conf is around a site, with everything below the workspace. */
import { findProgram } from '../programs.js'
import { webServer } from '../web-server.js'
import type { Variation, WebServer } from '../web-server.js'

const PROGRAM = findProgram('h2o')

/** h2o with the file in examples/h2o. */
export function h2o(name: string, example: string, { edit = (text) => text }: Pick<Variation, 'edit'> = {}): WebServer {
  return webServer({ name, example, package: 'h2o', installed: PROGRAM !== undefined }, async (workspace, port) => {
    // It can include no file at the top, so the frame is part of the file.
    const file = await workspace.install(example, port, 'h2o.conf', (text) => frame(workspace.directory) + edit(text))
    return { program: PROGRAM ?? 'h2o', args: ['-m', 'worker', '-c', file] }
  })
}

function frame(directory: string): string {
  // Root's h2o would otherwise work as nobody, who may not connect to the test's socket.
  const user = process.getuid?.() === 0 ? 'user: root\n' : ''
  return `${user}pid-file: ${directory}/h2o.pid\nerror-log: ${directory}/h2o.log\nnum-threads: 1\ntemp-buffer-path: ${directory}\n`
}
