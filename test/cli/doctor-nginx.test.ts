/** nginx with one thing wrong: the doctor names the line, and nothing else. */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from '@jest/globals'
import { createServer, type FastCgiServer } from 'express-responder'
import type { Diagnosis } from '../../lib/cli/doctor/diagnose.js'
import { runToEnd } from '../proxies/support/child.js'
import { describeIfInstalled } from '../proxies/support/installed.js'
import { nginx } from '../proxies/support/servers/nginx.js'
import { servers } from '../proxies/support/servers.js'
import { PACKAGE_ROOT, type Workspace } from '../proxies/support/workspace.js'
import { describeBroken, examine, replaced as replacedText, type Broken, type Edit } from './support/doctor.js'
import { REAL_IP, behindProxy } from './support/proxied.js'

const app = (edit: Edit): ReturnType<typeof nginx> => nginx('nginx', 'nginx/app.conf', { edit })
/** app.conf with one piece of text in the place of another, which has to be there. */
const replaced = (before: string | RegExp, after: string): ReturnType<typeof nginx> => app(replacedText(before, after))
/** What is shared by those that have a set of params of their own: express_params without some, or with others. */
const PARAMS = readFileSync(join(PACKAGE_ROOT, 'examples/nginx/express_params'), 'utf8')
const withParams = (edit: (params: string) => string): Broken['server'] => replaced('include express_params;', edit(PARAMS))
const without = (name: string): Broken['server'] => withParams((params) => params.replace(new RegExp(`^fastcgi_param +${name} .*\n`, 'm'), ''))

async function makeCertificate({ srv }: Workspace): Promise<void> {
  const files = ['-keyout', join(srv, 'key.pem'), '-out', join(srv, 'cert.pem')]
  const { code, stderr } = await runToEnd('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1', '-subj', '/CN=localhost', ...files])
  if (code !== 0) throw new Error(stderr)
}

const BROKEN: readonly Broken[] = [
  { title: 'no include', server: replaced('include express_params;', ''), code: 'no-params', line: 'include express_params;' },
  {
    title: 'a fastcgi_param in the location, which then inherits none of the server\'s',
    server: replaced('fastcgi_pass app;', 'fastcgi_param APP_ENV production; fastcgi_pass app;'), code: 'no-params', line: 'include express_params;',
  },
  { title: 'no REQUEST_URI', server: without('REQUEST_URI'), code: 'no-request-uri', line: 'fastcgi_param REQUEST_URI $request_uri;' },
  {
    title: 'REQUEST_URI of a decoded path', server: withParams((params) => params.replace('$request_uri', '$uri')),
    code: 'url-changed', line: 'fastcgi_param REQUEST_URI $request_uri;',
  },
  { title: 'no CONTENT_LENGTH', server: without('CONTENT_LENGTH'), code: 'no-content-length', line: 'fastcgi_param CONTENT_LENGTH $content_length;' },
  { title: 'no CONTENT_TYPE', server: without('CONTENT_TYPE'), code: 'no-content-type', line: 'fastcgi_param CONTENT_TYPE $content_type;' },
  { title: 'no REMOTE_ADDR', server: without('REMOTE_ADDR'), code: 'client-address', line: 'fastcgi_param REMOTE_ADDR $remote_addr;' },
  {
    title: 'HTTP_HOST of $host', server: withParams((params) => params.replace(/\$express_host;/, () => '$host;')),
    code: 'host-port', line: 'fastcgi_param HTTP_HOST $express_host;',
  },
  {
    title: 'HTTP_HOST of $server_name', server: withParams((params) => params.replace(/\$express_host;/, () => '$server_name;')),
    code: 'host-changed', line: 'fastcgi_param HTTP_HOST $express_host;',
  },
  {
    title: 'a fastcgi_param of the location before an include that sets it, too',
    server: replaced('fastcgi_pass app;', 'fastcgi_param HTTP_HOST forced; include express_params; fastcgi_pass app;'), code: 'param-twice', line: 'include express_params;',
  },
  { title: 'a Proxy header that goes on', server: without('HTTP_PROXY'), code: 'httpoxy', line: 'fastcgi_param HTTP_PROXY "";' },
  {
    title: 'REMOTE_USER of $remote_user', server: withParams((params) => `${params}\nfastcgi_param REMOTE_USER $remote_user;\n`),
    code: 'remote-user', line: 'fastcgi_param REMOTE_USER "";',
  },
  {
    title: 'an Authorization header that is emptied', server: withParams((params) => `${params}\nfastcgi_param HTTP_AUTHORIZATION "";\n`),
    code: 'authorization', line: 'fastcgi_param HTTP_AUTHORIZATION $http_authorization;',
  },
  {
    title: 'cookies that are emptied', server: withParams((params) => `${params}\nfastcgi_param HTTP_COOKIE "";\n`),
    code: 'cookie', line: 'fastcgi_param HTTP_COOKIE $http_cookie;',
  },
  {
    title: 'no headers of the client', server: replaced('fastcgi_keep_conn on;', 'fastcgi_keep_conn on; fastcgi_pass_request_headers off;'),
    code: 'headers', line: 'fastcgi_pass_request_headers on;',
  },
  {
    title: 'headers with underscores', server: replaced('fastcgi_keep_conn on;', 'fastcgi_keep_conn on; underscores_in_headers on;'),
    code: 'underscore', line: 'underscores_in_headers off;',
  },
  {
    title: 'HTTPS forced on', server: withParams((params) => params.replace('$https if_not_empty', 'on')),
    code: 'scheme-forced', line: 'fastcgi_param HTTPS $https if_not_empty;',
  },
  {
    title: 'HTTPS that is not told', prepare: makeCertificate, code: 'scheme', line: 'fastcgi_param HTTPS $https if_not_empty;',
    server: nginx('nginx', 'nginx/app.conf', {
      encrypted: true,
      edit: (text) => text
        .replace(/listen (\S+);.*/, 'listen $1 ssl; ssl_certificate /srv/app/cert.pem; ssl_certificate_key /srv/app/key.pem;')
        .replace('include express_params;', () => PARAMS.replace(/^fastcgi_param +(?:HTTPS|REQUEST_SCHEME) .*\n/gm, '')),
    }),
  },
  {
    title: 'another proxy on another machine', server: behindProxy('', { bind: 'proxy_bind 127.0.0.8;' }),
    code: 'proxy-address', line: 'set_real_ip_from 127.0.0.8;\nreal_ip_header X-Forwarded-For;',
  },
  { title: 'another proxy on the same machine', server: behindProxy(''), code: 'proxy-address', line: 'set_real_ip_from 127.0.0.1;' },
  {
    title: 'another proxy that is not the one the configuration names', server: behindProxy(`set_real_ip_from 192.0.2.1; ${REAL_IP}`),
    code: 'proxy-address', line: 'set_real_ip_from 127.0.0.1;',
  },
  {
    title: 'another proxy that ends HTTPS', prepare: makeCertificate, code: 'scheme', line: 'fastcgi_param HTTPS on;',
    server: behindProxy(`set_real_ip_from 127.0.0.1; ${REAL_IP}`, { encrypted: true, listen: ' ssl; ssl_certificate /srv/app/cert.pem; ssl_certificate_key /srv/app/key.pem;' }),
  },
  { title: 'no SERVER_SOFTWARE', server: without('SERVER_SOFTWARE'), code: 'server-software', line: 'fastcgi_param SERVER_SOFTWARE nginx/$nginx_version;' },
  { title: 'keepalive without fastcgi_keep_conn', server: replaced('fastcgi_keep_conn on;', 'fastcgi_buffering off;'), code: 'keep-conn', line: 'fastcgi_keep_conn on;' },
  { title: 'fastcgi_keep_conn without keepalive', server: replaced('keepalive 16;', ''), code: 'keep-alive', line: 'keepalive 16;' },
  {
    title: 'an upstream block that fastcgi_pass does not name', server: replaced('fastcgi_pass app;', 'fastcgi_pass unix:/run/app/app.sock;'),
    code: 'keep-alive', line: 'fastcgi_pass app;',
  },
  {
    title: 'fastcgi_keep_conn without an upstream block',
    server: app((text) => text.replace(/upstream app \{[^}]*\}/, '').replace('fastcgi_pass app;', 'fastcgi_pass unix:/run/app/app.sock;')),
    code: 'keep-alive', line: 'upstream app { server unix:SOCKET max_fails=0; keepalive 16; }',
  },
  { title: 'idle connections that are kept for longer than the app keeps them', server: replaced('keepalive 16;', 'keepalive 16; keepalive_timeout 5m;'), code: 'idle-limit', line: 'keepalive_timeout 60s;' },
  {
    title: 'two server lines without max_fails=0', server: replaced('server unix:/run/app/app.sock max_fails=0;', 'server unix:/run/app/app.sock; server unix:/run/app/app.sock;'),
    code: 'max-fails', line: 'server unix:SOCKET max_fails=0;',
  },
  {
    title: 'POST requests that are sent again', server: replaced('fastcgi_keep_conn on;', 'fastcgi_keep_conn on; fastcgi_next_upstream error timeout non_idempotent;'),
    code: 'non-idempotent', line: 'fastcgi_next_upstream error timeout;',
  },
  { title: 'small buffers', server: replaced(/ {2}fastcgi_(?:buffer_size|buffers|busy_buffers_size) .*\n/g, ''), code: 'head-size', line: 'fastcgi_buffer_size 32k;' },
  { title: 'the default limit of uploads', server: replaced('client_max_body_size 16m;', ''), code: 'upload-size', line: 'client_max_body_size 16m;' },
  { title: 'bodies that are not passed on', server: replaced('fastcgi_pass app;', 'fastcgi_pass_request_body off; fastcgi_pass app;'), code: 'upload-lost', line: 'fastcgi_pass_request_body on;' },
  {
    title: 'event streams that are gathered', server: app((text) => text.replace('fastcgi_keep_conn on;', 'fastcgi_ignore_headers X-Accel-Buffering;').replace('keepalive 16;', '')),
    code: 'events', line: 'fastcgi_buffering off;',
  },
  {
    title: 'other streams that are gathered', server: app((text) => text.replace('fastcgi_keep_conn on;', '').replace('keepalive 16;', '')),
    code: 'stream', line: 'fastcgi_keep_conn on;',
  },
  {
    title: 'proxy_pass in the place of fastcgi_pass', server: replaced('fastcgi_pass app;', 'proxy_pass http://app;'),
    code: 'server-speaks-http', line: 'fastcgi_pass unix:SOCKET;',
  },
  { title: 'another path of the socket', server: replaced('/run/app/app.sock max', '/run/app/other.sock max'), code: 'other-socket', line: 'fastcgi_pass unix:SOCKET;' },
  { title: 'files before the app', server: replaced('fastcgi_pass app;', 'try_files $uri =404; fastcgi_pass app;'), code: 'not-passed', line: 'fastcgi_pass unix:SOCKET;' },
  {
    title: 'HTTP that leads to HTTPS', server: replaced('location / {', 'location / { return 301 https://$host$request_uri;'),
    code: 'redirected', line: '--url',
  },
  {
    title: 'a password before everything', server: replaced('location / {', 'location / { auth_basic app; auth_basic_user_file /srv/app/users;'),
    code: 'password-asked', line: '--url',
  },
]

describeBroken('the doctor before a broken nginx', servers.nginx, BROKEN)

/** The app of the other socket of an upstream block; it answers everything with this status. */
async function startOther({ run }: Workspace, status: number): Promise<FastCgiServer> {
  const other = createServer((_, response) => {
    response.statusCode = status
    response.end('the other app')
  })
  other.listen(join(run, 'other.sock'))
  await once(other, 'listening')
  return other
}

describeIfInstalled(servers.nginx, 'the doctor before an nginx that shares requests among two sockets', () => {
  const OWN = 'server unix:/run/app/app.sock max_fails=0;'
  const OTHER = 'server unix:/run/app/other.sock max_fails=0;'

  async function examineShared(lines: string, status: number, edit: (text: string) => string = (text) => text): Promise<Diagnosis> {
    let other: FastCgiServer | undefined
    try {
      return await examine(app((text) => edit(text.replace(OWN, lines))), {}, async (workspace) => {
        other = await startOther(workspace, status)
      })
    } finally {
      other?.closeAllConnections()
      other?.close()
    }
  }

  it.each([[OWN + OTHER, 200], [OTHER + OWN, 404]] as const)('finds nothing, and says that it has looked at one: %s', async (lines, status) => {
    const { findings, unchecked } = await examineShared(lines, status)
    expect(findings).toEqual([])
    expect(unchecked).toEqual([expect.stringContaining('shares requests')])
  })

  it('names the line that is wrong for both', async () => {
    const { findings } = await examineShared(OTHER + OWN, 200, (text) => text.replace(/ {2}fastcgi_(?:buffer_size|buffers|busy_buffers_size) .*\n/g, ''))
    expect(findings).toEqual([expect.objectContaining({ code: 'head-size', line: expect.stringContaining('fastcgi_buffer_size 32k;') })])
  })
})

describeIfInstalled(servers.nginx, 'the doctor before an nginx behind another proxy', () => {
  it.each([
    ['that it takes the address from', behindProxy(`set_real_ip_from 127.0.0.1; ${REAL_IP}`), {}],
    ['that sends no header', behindProxy('', { edit: (text) => text.replace('include express_params;', 'include express_params; fastcgi_param HTTP_X_FORWARDED_FOR "";') }), {}],
    ['where the header is the client\'s own', app((text) => text), { headers: [['X-Forwarded-For', '203.0.113.7']] as const }],
    ['whose header it makes itself', replaced('include express_params;', 'include express_params; fastcgi_param HTTP_X_FORWARDED_FOR $proxy_add_x_forwarded_for;'), {}],
  ])('finds nothing: %s', async (_which, server, options) => {
    expect((await examine(server, options)).findings).toEqual([])
  })
})

describeIfInstalled(servers.nginx, 'the doctor before an nginx that passes GET alone', () => {
  it.each([
    ['and refuses the rest', 'limit_except GET { deny all; }'],
    ['and does not reach the app with the rest', 'if ($request_method = POST) { return 502; }'],
  ])('%s: does not blame the size of uploads', async (_how, line) => {
    const { findings } = await examine(replaced('fastcgi_pass app;', `${line} fastcgi_pass app;`))
    expect(findings).toEqual([])
  })
})

