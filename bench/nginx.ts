/** A real nginx in front of the servers, with kept connections to each of them. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import net from 'node:net'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { stop } from './launch.js'
import type { Running } from './launch.js'
import type { Address } from './load.js'
import { findProgram } from './programs.js'

const START_MILLISECONDS = 10_000
/** More than any measurement sends over one connection. */
const ENDLESS = 1_000_000_000

/** An nginx that runs. */
export interface Nginx {
  /** Where nginx listens for the requests that it hands to this backend. */
  front(backend: Running): Address
  stop(): Promise<void>
}

/** Starts nginx with one listening socket a backend. @throws Error where it is missing or refuses to start. */
export async function startNginx(directory: string, backends: readonly Running[]): Promise<Nginx> {
  const program = findProgram('nginx')
  if (program === undefined) throw new Error('nginx is not installed: Debian package nginx')
  const frontPath = (backend: Running): string => path.join(directory, `front-${String(backend.pid)}.sock`)
  const file = path.join(directory, `nginx-${String(backends[0]?.pid ?? 0)}.conf`)
  await writeFile(file, configuration(directory, backends, frontPath))
  const child = spawn(program, ['-p', directory, '-c', file], { stdio: ['ignore', 'inherit', 'inherit'] })
  await Promise.all(backends.map((backend) => untilAnswers(frontPath(backend))))
  return { front: (backend) => ({ path: frontPath(backend) }), stop: () => stop(child) }
}

function configuration(
  directory: string,
  backends: readonly Running[],
  frontPath: (backend: Running) => string,
): string {
  return `daemon off;
${process.getuid?.() === 0 ? 'user root;' : ''}
worker_processes 1;
pid ${directory}/nginx-${String(backends[0]?.pid ?? 0)}.pid;
error_log ${directory}/nginx-error.log;
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path ${directory}/nginx-body;
  proxy_temp_path ${directory}/nginx-proxy;
  fastcgi_temp_path ${directory}/nginx-fastcgi;
  uwsgi_temp_path ${directory}/nginx-uwsgi;
  scgi_temp_path ${directory}/nginx-scgi;
  client_max_body_size 2m;
  keepalive_requests ${String(ENDLESS)};
${backends.map((backend, index) => site(backend, `backend${String(index)}`, frontPath(backend))).join('')}}
`
}

function site(backend: Running, upstream: string, front: string): string {
  const to = 'path' in backend.address ? `unix:${backend.address.path}` : `127.0.0.1:${String(backend.address.port)}`
  return `
  upstream ${upstream} { server ${to}; keepalive 64; keepalive_requests ${String(ENDLESS)}; }
  server {
    listen unix:${front};
    server_name localhost;
    location / {
${backend.kind.protocol === 'http' ? proxyPass(upstream) : fastCgiPass(backend, upstream)}
    }
  }
`
}

function proxyPass(upstream: string): string {
  return `      proxy_pass http://${upstream};
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme;`
}

/** The names and values of Debian's `fastcgi_params`. */
export const FASTCGI_PARAMS = {
  QUERY_STRING: '$query_string',
  REQUEST_METHOD: '$request_method',
  CONTENT_TYPE: '$content_type',
  CONTENT_LENGTH: '$content_length',
  SCRIPT_NAME: '$fastcgi_script_name',
  REQUEST_URI: '$request_uri',
  DOCUMENT_URI: '$document_uri',
  DOCUMENT_ROOT: '$document_root',
  SERVER_PROTOCOL: '$server_protocol',
  REQUEST_SCHEME: '$scheme',
  GATEWAY_INTERFACE: 'CGI/1.1',
  SERVER_SOFTWARE: 'nginx/$nginx_version',
  REMOTE_ADDR: '$remote_addr',
  REMOTE_PORT: '$remote_port',
  SERVER_ADDR: '$server_addr',
  SERVER_PORT: '$server_port',
  SERVER_NAME: '$server_name',
  REDIRECT_STATUS: '200',
}

function fastCgiPass(backend: Running, upstream: string): string {
  const script = path.dirname(backend.kind.scriptFilename?.('hello') ?? '/usr/share/nginx/html/hello')
  const suffix = backend.kind.scriptFilename ? '.php' : ''
  const params = { ...FASTCGI_PARAMS, SCRIPT_FILENAME: `${script}$fastcgi_script_name${suffix}` }
  return [
    `fastcgi_pass ${upstream};`,
    'fastcgi_keep_conn on;',
    ...Object.entries(params).map(([name, value]) => `fastcgi_param ${name} ${value};`),
  ]
    .map((line) => `      ${line}`)
    .join('\n')
}

async function untilAnswers(front: string): Promise<void> {
  const deadline = Date.now() + START_MILLISECONDS
  for (;;) {
    const socket = net.connect(front)
    try {
      await once(socket, 'connect')
      return
    } catch (error) {
      if (Date.now() > deadline) throw error
      await delay(20)
    } finally {
      socket.destroy()
    }
  }
}
