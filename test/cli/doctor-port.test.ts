/** Apps on a TCP port: the configurations of examples/ with a port in the place of the socket, right and broken, before the doctor. */
import { describe, expect, it } from '@jest/globals'
import { describeIfInstalled } from '../proxies/support/installed.js'
import { apache } from '../proxies/support/servers/apache.js'
import { caddy } from '../proxies/support/servers/caddy.js'
import { h2o } from '../proxies/support/servers/h2o.js'
import { haproxy } from '../proxies/support/servers/haproxy.js'
import { lighttpd } from '../proxies/support/servers/lighttpd.js'
import { nginx } from '../proxies/support/servers/nginx.js'
import type { WebServer } from '../proxies/support/web-server.js'
import { config } from './support/config-command.js'
import { describeBroken, examine, replaced, type Edit } from './support/doctor.js'

const same: Edit = (text) => text

const both = (one: Edit, other: Edit): Edit => (text) => other(one(text))
const onPort = (server: WebServer): WebServer => ({ ...server, appOn: 'port' })

const onNginx = (edit: Edit): WebServer => onPort(nginx('nginx', 'nginx/app.conf', { edit: both(replaced('unix:/run/app/app.sock', '127.0.0.1:9000'), edit) }))
const onApache = (edit: Edit): WebServer => onPort(apache({
  name: 'Apache', example: 'apache/app.conf', modules: ['proxy', 'proxy_fcgi', 'proxy_http'],
  edit: both(replaced(/unix:\/run\/app\/app.sock\|fcgi:\/\/app\//g, 'fcgi://127.0.0.1:9000/'), edit),
}))
const onLighttpd = (edit: Edit): WebServer => onPort(lighttpd('lighttpd', 'lighttpd/app.conf', { edit: both(replaced('"socket" => "/run/app/app.sock"', '"host" => "127.0.0.1", "port" => 9000'), edit) }))
const onCaddy = (edit: Edit): WebServer => onPort(caddy('Caddy', 'caddy/Caddyfile', { edit: both(replaced('unix//run/app/app.sock', '127.0.0.1:9000'), edit) }))
const onHaproxy = (edit: Edit): WebServer => haproxy('HAProxy', 'haproxy/haproxy.cfg', { appOn: 'port', edit: both(replaced('unix@/run/app/app.sock', '127.0.0.1:9000'), edit) })
const onH2o = (edit: Edit): WebServer => onPort(h2o('h2o', 'h2o/h2o.conf', { edit: both(replaced(/port: \/run\/app\/app.sock\n( +)type: unix/, 'host: 127.0.0.1\n          port: 9000\n          type: tcp'), edit) }))

describe.each([['nginx', onNginx], ['Apache', onApache], ['lighttpd', onLighttpd], ['Caddy', onCaddy], ['HAProxy', onHaproxy], ['h2o', onH2o]] as const)('%s', (name, server) => {
  describeIfInstalled(server(same), `the doctor on a port, before ${name}`, () => {
    it('finds nothing in the right configuration, and says what it has checked', async () => {
      const { findings, checked, unchecked } = await examine(server(same))
      expect(findings).toEqual([])
      expect(unchecked).toEqual([])
      expect(checked.join('\n')).toMatch(/^the port 127\.0\.0\.1:\d+\n15 requests to http:.*, of which 15 arrived\n\d files of the configuration/)
    })
  })
})

const KEPT = ['--keep-connections']
describe.each([
  ['nginx', onNginx, []], ['nginx', onNginx, KEPT], ['apache', onApache, []], ['apache', onApache, KEPT], ['haproxy', onHaproxy, []], ['haproxy', onHaproxy, KEPT],
  ['lighttpd', onLighttpd, []], ['h2o', onH2o, []],
] as const)('config %s', (name, server, words) => {
  describeIfInstalled(server(same), `the doctor on a port, before what it prints with ${words.join(' ') || 'its defaults'}`, () => {
    it('finds nothing', async () => {
      const text = await config(name, '--listen', '127.0.0.1:8080', '--port', '9000', ...words)
      expect((await examine(server(() => text))).findings).toEqual([])
    })
  })
})

describeBroken('the doctor on a port, before a broken nginx', onNginx(same), [
  { title: 'another port', server: onNginx(replaced('127.0.0.1:9000', '127.0.0.1:1')), code: 'other-socket', evidence: 'site.conf:12 has 127.0.0.1:1', line: 'fastcgi_pass 127.0.0.1:9000;' },
  { title: 'another address', server: onNginx(replaced('127.0.0.1:9000', '[::1]:9000')), code: 'other-address', line: 'fastcgi_pass 127.0.0.1:9000;' },
  { title: 'proxy_pass in the place of fastcgi_pass', server: onNginx(replaced('fastcgi_pass app;', 'proxy_pass http://app;')), code: 'server-speaks-http', line: 'fastcgi_pass 127.0.0.1:9000;' },
  { title: 'files before the app', server: onNginx(replaced('fastcgi_pass app;', 'try_files $uri =404; fastcgi_pass app;')), code: 'not-passed', line: 'fastcgi_pass 127.0.0.1:9000;' },
  { title: 'no include', server: onNginx(replaced('include express_params;', '')), code: 'no-params', line: 'include express_params;' },
  { title: 'fastcgi_keep_conn without keepalive', server: onNginx(replaced('keepalive 16;', '')), code: 'keep-alive', line: 'keepalive 16;' },
  { title: 'keepalive without fastcgi_keep_conn', server: onNginx(replaced('fastcgi_keep_conn on;', 'fastcgi_buffering off;')), code: 'keep-conn', line: 'fastcgi_keep_conn on;' },
  { title: 'an upstream block that fastcgi_pass does not name', server: onNginx(replaced('fastcgi_pass app;', 'fastcgi_pass 127.0.0.1:9000;')), code: 'keep-alive', line: 'fastcgi_pass app;' },
  {
    title: 'fastcgi_keep_conn without an upstream block', server: onNginx(both(replaced(/upstream app \{[^}]*\}/, ''), replaced('fastcgi_pass app;', 'fastcgi_pass 127.0.0.1:9000;'))),
    code: 'keep-alive', line: 'upstream app { server 127.0.0.1:9000 max_fails=0; keepalive 16; }',
  },
  { title: 'idle connections that are kept for longer than the app keeps them', server: onNginx(replaced('keepalive 16;', 'keepalive 16; keepalive_timeout 5m;')), code: 'idle-limit', line: 'keepalive_timeout 60s;' },
  { title: 'two server lines without max_fails=0', server: onNginx(replaced('server 127.0.0.1:9000 max_fails=0;', 'server 127.0.0.1:9000; server localhost:9000;')), code: 'max-fails', line: 'server 127.0.0.1:9000 max_fails=0;' },
])

describeBroken('the doctor on a port, before a broken Apache', onApache(same), [
  { title: 'another port', server: onApache(replaced(/127\.0\.0\.1:9000/g, '127.0.0.1:1')), code: 'other-socket', evidence: 'has 127.0.0.1:1', line: 'ProxyPass "/" "fcgi://127.0.0.1:9000/"' },
  { title: 'another address', server: onApache(replaced(/127\.0\.0\.1:9000/g, '127.0.0.2:9000')), code: 'other-address', line: 'ProxyPass "/" "fcgi://127.0.0.1:9000/"' },
  { title: 'http:// in the place of fcgi://', server: onApache(replaced('ProxyPass "/" "fcgi://', 'ProxyPass "/" "http://')), code: 'server-speaks-http', line: 'ProxyPass "/" "fcgi://127.0.0.1:9000/"' },
  { title: 'without flushpackets', server: onApache(replaced('flushpackets=on', '')), code: 'events', line: 'ProxyPass "/" "fcgi://127.0.0.1:9000/" flushpackets=on' },
  { title: 'without CGIPassAuth', server: onApache(replaced('CGIPassAuth On', '')), code: 'authorization', line: 'CGIPassAuth On' },
  { title: 'no ProxyPass', server: onApache(replaced(/ {2}ProxyPass .*\n/, '')), code: 'not-passed', line: 'ProxyPass "/" "fcgi://127.0.0.1:9000/"' },
])

const LIGHTTPD_LINE = 'fastcgi.server = ( "/" => (( "host" => "127.0.0.1", "port" => 9000, "check-local" => "disable"'
describeBroken('the doctor on a port, before a broken lighttpd', onLighttpd(same), [
  { title: 'another port', server: onLighttpd(replaced('=> 9000', '=> 1')), code: 'other-socket', evidence: 'has port 1', line: LIGHTTPD_LINE },
  { title: 'another address', server: onLighttpd(replaced('127.0.0.1", "port"', '::1", "port"')), code: 'other-address', line: LIGHTTPD_LINE },
])

describeBroken('the doctor on a port, before a broken Caddy', onCaddy(same), [
  { title: 'another port', server: onCaddy(replaced('127.0.0.1:9000', '127.0.0.1:1')), code: 'other-socket', evidence: 'has 127.0.0.1:1', line: 'reverse_proxy 127.0.0.1:9000 { transport fastcgi' },
  { title: 'HTTP in the place of FastCGI', server: onCaddy(replaced(/ {4}transport fastcgi \{[^]*?\n {4}\}\n/, '')), code: 'server-speaks-http', line: 'reverse_proxy 127.0.0.1:9000 { transport fastcgi' },
])

describeBroken('the doctor on a port, before a broken HAProxy', onHaproxy(same), [
  { title: 'another port', server: onHaproxy(replaced('server app 127.0.0.1:9000', 'server app 127.0.0.1:1')), code: 'other-socket', evidence: 'has 127.0.0.1:1', line: 'server app 127.0.0.1:9000 proto fcgi' },
  { title: 'another address', server: onHaproxy(replaced('server app 127.0.0.1:9000', 'server app [::1]:9000')), code: 'other-address', line: 'server app 127.0.0.1:9000 proto fcgi' },
  { title: 'HTTP in the place of FastCGI', server: onHaproxy(both(replaced('use-fcgi-app app', ''), replaced('9000 proto fcgi', '9000'))), code: 'server-speaks-http', line: 'server app 127.0.0.1:9000 proto fcgi' },
  { title: 'connections that are not kept', server: onHaproxy(replaced('  option keep-conn', '  no option keep-conn')), code: 'keep-conn', line: 'option keep-conn' },
])

const H2O_LINE = 'fastcgi.connect: { host: "127.0.0.1", port: 9000, type: tcp }'
describeBroken('the doctor on a port, before a broken h2o', onH2o(same), [
  { title: 'another port', server: onH2o(replaced('port: 9000', 'port: 1')), code: 'other-socket', evidence: 'has port 1', line: H2O_LINE },
  { title: 'another address', server: onH2o(replaced('host: 127.0.0.1\n          port', 'host: "::1"\n          port')), code: 'other-address', line: H2O_LINE },
])
