/** nginx in front of a deployment, for one measurement: it begins with no connection. */
import { spawn } from 'node:child_process'
import { rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { stop, untilListening } from '../launch.js'
import { FASTCGI_PARAMS } from '../nginx.js'
import { findProgram } from '../programs.js'
import type { Deployment } from './deployments.js'

/** Whether nginx keeps its connections to the app, or opens one for each request. */
export type Connections = 'kept' | 'new'

const ENDLESS = 1_000_000_000
let fronts = 0

/** Runs `work` with an nginx in front of the deployment. `socket`: where it listens. */
export async function behindNginx<Result>(
  directory: string, deployment: Deployment, connections: Connections, work: (socket: string) => Promise<Result>,
): Promise<Result> {
  const program = findProgram('nginx')
  if (program === undefined) throw new Error('nginx is not installed: Debian package nginx')
  const name = path.join(directory, `front-${String(fronts++)}`)
  const socket = `${name}.sock`
  await writeFile(`${name}.conf`, configuration(name, directory, deployment, connections))
  const child = spawn(program, ['-p', directory, '-c', `${name}.conf`, '-e', 'stderr'], { stdio: ['ignore', 'inherit', 'inherit'] })
  try {
    await untilListening(child, 'nginx', { path: socket })
    return await work(socket)
  } finally {
    await stop(child)
    await rm(socket, { force: true })
  }
}

function configuration(name: string, directory: string, deployment: Deployment, connections: Connections): string {
  const { address } = deployment
  const to = 'path' in address ? `unix:${address.path}` : `${address.host}:${String(address.port)}`
  const keepalive = connections === 'kept' ? `keepalive 64; keepalive_requests ${String(ENDLESS)};` : ''
  return `daemon off;
${process.getuid?.() === 0 ? 'user root;' : ''}
worker_processes 1;
pid ${name}.pid;
error_log stderr crit;
events { worker_connections 1024; }
http {
  access_log off;
${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `  ${kind}_temp_path ${directory}/nginx-${kind};`).join('\n')}
  keepalive_requests ${String(ENDLESS)};
  upstream app { server ${to}; ${keepalive} }
  server {
    listen unix:${name}.sock;
    location / {
${(deployment.protocol === 'http' ? proxyPass(connections) : fastCgiPass(connections, deployment.script)).map((line) => `      ${line}`).join('\n')}
    }
  }
}
`
}

function proxyPass(connections: Connections): string[] {
  return [
    'proxy_pass http://app;',
    'proxy_set_header Host $host;',
    'proxy_set_header X-Forwarded-For $remote_addr;',
    'proxy_set_header X-Forwarded-Proto $scheme;',
    ...(connections === 'kept' ? ['proxy_http_version 1.1;', 'proxy_set_header Connection "";'] : []),
  ]
}

function fastCgiPass(connections: Connections, script: string | undefined): string[] {
  const params = { ...FASTCGI_PARAMS, ...(script === undefined ? {} : { SCRIPT_FILENAME: script }) }
  return [
    'fastcgi_pass app;',
    ...(connections === 'kept' ? ['fastcgi_keep_conn on;'] : []),
    ...Object.entries(params).map(([param, value]) => `fastcgi_param ${param} ${value};`),
  ]
}
