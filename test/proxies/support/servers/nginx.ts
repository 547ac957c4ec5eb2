/** nginx: the frame that Debian's nginx.conf is around a site, with everything below the workspace. */
import { dirname, join } from 'node:path'
import { findProgram } from '../programs.js'
import { webServer } from '../web-server.js'
import type { Variation, WebServer } from '../web-server.js'
import type { Workspace } from '../workspace.js'

const PROGRAM = findProgram('nginx')

/** nginx with one of the site files in examples/, and what lies beside it. */
export function nginx(name: string, example: string, { edit, encrypted = false }: Variation = {}): WebServer {
  return webServer({ name, example, package: 'nginx', installed: PROGRAM !== undefined, encrypted }, async (workspace, port) => {
    for (const file of ['express_params', 'express_host.conf']) await workspace.install(join(dirname(example), file), port)
    await workspace.install(example, port, 'site.conf', edit)
    const file = await workspace.write('nginx.conf', frame(workspace.directory))
    return {
      program: PROGRAM ?? 'nginx',
      args: ['-c', file, '-p', workspace.directory, '-e', 'stderr'],
    }
  })
}

function frame(directory: Workspace['directory']): string {
  // Root's nginx would otherwise work as nobody, who may not connect to the test's socket.
  const user = process.getuid?.() === 0 ? 'user root;' : ''
  const temporary = ['client_body', 'fastcgi', 'proxy', 'scgi', 'uwsgi']
    .map((kind) => `${kind}_temp_path ${directory}/nginx-${kind};`)
    .join('\n  ')
  return `daemon off;
${user}
worker_processes 1;
pid ${directory}/nginx.pid;
error_log stderr warn;
events { worker_connections 512; }
http {
  ${temporary}
  access_log off;
  include ${directory}/express_host.conf;
  include ${directory}/site.conf;
}
`
}
