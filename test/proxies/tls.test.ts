/** HTTPS up to the web server, FastCGI behind it: the app knows that the client's connection was encrypted. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from '@jest/globals'
import { ask } from './support/client.js'
import { runToEnd } from './support/child.js'
import { describeIfInstalled } from './support/installed.js'
import { echoOf } from './support/json.js'
import { findProgram } from './support/programs.js'
import { apache } from './support/servers/apache.js'
import { caddy } from './support/servers/caddy.js'
import { haproxy } from './support/servers/haproxy.js'
import { nginx } from './support/servers/nginx.js'
import { startSite } from './support/site.js'
import type { WebServer } from './support/web-server.js'
import type { Workspace } from './support/workspace.js'

const OPENSSL = findProgram('openssl')

/** The examples, with the lines that an operator adds for HTTPS. */
const encrypted: WebServer[] = [
  nginx('nginx', 'nginx/app.conf', {
    encrypted: true,
    edit: (text) =>
      text.replace(/listen (\S+);.*/, 'listen $1 ssl; ssl_certificate /srv/app/cert.pem; ssl_certificate_key /srv/app/key.pem;'),
  }),
  apache({
    name: 'Apache',
    example: 'apache/app.conf',
    modules: ['proxy', 'proxy_fcgi', 'socache_shmcb', 'ssl'],
    encrypted: true,
    edit: (text) =>
      text.replace(
        /^ *ServerName .*$/m,
        '$&\n  SSLEngine on\n  SSLCertificateFile /srv/app/cert.pem\n  SSLCertificateKeyFile /srv/app/key.pem\n',
      ),
  }),
  caddy('Caddy', 'caddy/Caddyfile', {
    encrypted: true,
    edit: (text) => text.replace(/^http:(.*)$/m, 'https:$1\n  tls /srv/app/cert.pem /srv/app/key.pem'),
  }),
  haproxy('HAProxy', 'haproxy/haproxy.cfg', {
    encrypted: true,
    edit: (text) => text.replace(/^ *bind .*$/m, '$& ssl crt /srv/app/both.pem'),
  }),
]

for (const server of encrypted) {
  describeIfInstalled([server, { package: 'openssl', installed: OPENSSL !== undefined }], `HTTPS through ${server.name} (examples/${server.example})`, () => {
    it('gives the app a secure request, without trust proxy', async () => {
      const site = await startSite(server, {}, makeCertificate)
      try {
        const answer = await ask(site.origin, { path: '/echo', headers: [['Host', 'app.example.com']] })
        expect(echoOf(answer)).toMatchObject({ secure: true, protocol: 'https', hostname: 'app.example.com' })
      } finally {
        await site.stop()
      }
    })
  })
}

/** A certificate that signs itself, as cert.pem, key.pem, and both in one file. */
async function makeCertificate(workspace: Workspace): Promise<void> {
  const key = join(workspace.srv, 'key.pem')
  const certificate = join(workspace.srv, 'cert.pem')
  const { code, stderr } = await runToEnd(OPENSSL ?? 'openssl', [
    'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
    '-subj', '/CN=app.example.com', '-addext', 'subjectAltName=DNS:app.example.com,IP:127.0.0.1',
    '-keyout', key, '-out', certificate,
  ])
  if (code !== 0) throw new Error(`openssl failed:\n${stderr}`)
  await workspace.write('srv/both.pem', (await readFile(certificate, 'utf8')) + (await readFile(key, 'utf8')))
}
