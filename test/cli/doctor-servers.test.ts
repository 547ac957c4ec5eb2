/** Apache, lighttpd, Caddy, HAProxy and h2o with one thing wrong: the doctor names the line, and nothing else. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from '@jest/globals'
import { describeIfInstalled } from '../proxies/support/installed.js'
import type { Workspace } from '../proxies/support/workspace.js'
import { apache } from '../proxies/support/servers/apache.js'
import { caddy } from '../proxies/support/servers/caddy.js'
import { h2o } from '../proxies/support/servers/h2o.js'
import { haproxy } from '../proxies/support/servers/haproxy.js'
import { lighttpd } from '../proxies/support/servers/lighttpd.js'
import { sharedHosting } from '../proxies/support/servers/shared-hosting.js'
import { servers } from '../proxies/support/servers.js'
import type { WebServer } from '../proxies/support/web-server.js'
import { describeBroken, examine, replaced, type Edit } from './support/doctor.js'

const onApache = (edit: Edit, modules: readonly string[] = ['proxy', 'proxy_fcgi', 'proxy_http']): WebServer =>
  apache({ name: 'Apache', example: 'apache/app.conf', modules, edit })

describeBroken('the doctor before a broken Apache', servers.apache, [
  { title: 'without CGIPassAuth', server: onApache(replaced('CGIPassAuth On', '')), code: 'authorization', line: 'CGIPassAuth On' },
  { title: 'without flushpackets', server: onApache(replaced('flushpackets=on', '')), code: 'events', line: 'flushpackets=on' },
  { title: 'URLs with %2F refused', server: onApache(replaced('AllowEncodedSlashes NoDecode', '')), code: 'encoded-slash', line: 'AllowEncodedSlashes NoDecode' },
  { title: 'ETags that mod_deflate changes', server: onApache(replaced('DeflateAlterETag NoChange', '')), code: 'etag', line: 'DeflateAlterETag NoChange' },
  { title: 'cookies that are removed', server: onApache(replaced('MergeSlashes Off', 'MergeSlashes Off\n  RequestHeader unset Cookie')), code: 'cookie', line: 'Cookie' },
  { title: 'a Host that is set', server: onApache(replaced('MergeSlashes Off', 'MergeSlashes Off\n  RequestHeader set Host forced.example')), code: 'host-changed', line: 'ProxyPreserveHost On' },
  { title: 'http:// in the place of fcgi://', server: onApache(replaced(/fcgi:\/\/app\/"\n/, 'http://app/"\n')), code: 'server-speaks-http', line: 'ProxyPass "/" "unix:SOCKET|fcgi://app/"' },
  { title: 'another path of the socket', server: onApache(replaced(/"unix:\/run\/app\/app.sock/g, '"unix:/run/app/other.sock')), code: 'other-socket', line: 'ProxyPass "/" "unix:SOCKET|fcgi://app/"' },
  {
    title: 'another app\'s socket with the same name', server: onApache((text) => replaced('enablereuse=on ', '')(replaced('<Proxy "unix:/run/app/app.sock', '<Proxy "unix:/run/app/other.sock')(text))),
    code: 'shared-name', line: 'ProxyPass "/" "unix:SOCKET|fcgi://app-2/"',
  },
  { title: 'no ProxyPass', server: onApache(replaced(/ {2}ProxyPass .*\n/, '')), code: 'not-passed', line: 'ProxyPass "/" "unix:SOCKET|fcgi://app/"' },
])

/** What Debian loads with mod_fcgid, whoever uses it: a handler for files that end with .fcgi. */
const withFcgid = (edit: Edit): WebServer => apache({
  name: 'Apache with mod_fcgid beside', example: 'apache/app.conf', modules: ['proxy', 'proxy_fcgi', 'fcgid'],
  edit: (text) => `Include /etc/apache2/mods-available/fcgid.conf\n${edit(text)}`,
})

describeBroken('the doctor before an Apache that has mod_fcgid for other sites', servers.modFcgid, [
  { title: 'another path of the socket', server: withFcgid(replaced(/"unix:\/run\/app\/app.sock/g, '"unix:/run/app/other.sock')), code: 'other-socket', line: 'ProxyPass "/" "unix:SOCKET|fcgi://app/"' },
])

describeIfInstalled(servers.modFcgid, 'the doctor before an Apache that has mod_fcgid for other sites, where the app does not run', () => {
  it('takes the app for one with a socket', async () => {
    const server = withFcgid(replaced(/"unix:\/run\/app\/app.sock/g, '"unix:/run/app/other.sock'))
    const { findings } = await examine(server, { listen: 'where-free' })
    expect(findings.map(({ code }) => code)).toEqual(['no-socket', 'other-socket'])
  })
})

/** mod_fcgid starts a program of its own, and the doctor has no socket. */
const onFcgid = (edit: Edit): WebServer => ({ ...apache({ name: 'mod_fcgid', example: 'mod_fcgid/app.conf', package: 'libapache2-mod-fcgid', modules: ['fcgid'], edit }), startsApp: true })
const program = async ({ srv }: Workspace): Promise<void> => {
  const text = `import { serve } from ${JSON.stringify(new URL('../../lib/index.js', import.meta.url).href)}\nawait serve((request, response) => { response.end('hi') })\n`
  await writeFile(join(srv, 'app.js'), text)
  await writeFile(join(srv, 'package.json'), '{"type":"module"}')
}
const asFcgid = { prepare: program, options: { listen: 'where-free' } } as const

describeBroken('the doctor before mod_fcgid', servers.modFcgid, [
  { ...asFcgid, title: 'the size of bodies left at its default', server: onFcgid(replaced('FcgidMaxRequestLen 16777216', '')), code: 'fcgid-request-length', line: 'FcgidMaxRequestLen 16777216' },
  { ...asFcgid, title: 'bodies smaller than the upload', server: onFcgid(replaced('FcgidMaxRequestLen 16777216', 'FcgidMaxRequestLen 1048576')), code: 'fcgid-request-length', line: 'FcgidMaxRequestLen 16777216' },
  { ...asFcgid, title: 'silence for 40 s', server: onFcgid(replaced('FcgidIOTimeout 60', '')), code: 'fcgid-io-timeout', line: 'FcgidIOTimeout 60' },
  { ...asFcgid, title: 'requests of 30 s at most', server: onFcgid(replaced('FcgidIOTimeout 60', 'FcgidIOTimeout 60\n  FcgidBusyTimeout 30')), code: 'fcgid-busy-timeout', line: 'FcgidBusyTimeout 300' },
  { ...asFcgid, title: 'responses gathered, which is the default', server: onFcgid(replaced('FcgidOutputBufferSize 0', '')), code: 'fcgid-output-buffer', line: 'FcgidOutputBufferSize 0' },
  { ...asFcgid, title: 'a small piece of a response gathered', server: onFcgid(replaced('FcgidOutputBufferSize 0', 'FcgidOutputBufferSize 512')), code: 'fcgid-output-buffer', line: 'FcgidOutputBufferSize 0' },
])

describeIfInstalled(servers.modFcgid, 'the doctor before mod_fcgid as in examples/', () => {
  it('finds nothing, and says what it cannot see', async () => {
    const { findings, unchecked } = await examine(onFcgid((text) => text), asFcgid.options, program)
    expect(findings).toEqual([])
    expect(unchecked).toEqual([expect.stringContaining('what arrives at the app')])
  })
})

describeIfInstalled(servers.modFcgid, 'the doctor before examples/shared-hosting', () => {
  it('finds nothing where the host has set its limits, and says what it cannot see', async () => {
    const generous = 'Include /etc/apache2/mods-available/fcgid.conf\n  FcgidMaxRequestLen 16777216\n  FcgidIOTimeout 60\n  FcgidOutputBufferSize 0'
    const { findings, unchecked } = await examine(sharedHosting(generous), asFcgid.options, program)
    expect(findings).toEqual([])
    expect(unchecked).toEqual([expect.stringContaining('what arrives at the app')])
  })
})

const onLighttpd = (edit: Edit): WebServer => lighttpd('lighttpd', 'lighttpd/app.conf', { edit })

describeBroken('the doctor before a broken lighttpd', servers.lighttpd, [
  { title: 'files before the app', server: onLighttpd(replaced('"check-local" => "disable",', '')), code: 'not-passed', line: '"check-local" => "disable"' },
  { title: 'responses that are gathered', server: onLighttpd(replaced('server.stream-response-body = 2', '')), code: 'events', line: 'server.stream-response-body = 2' },
  { title: 'a small limit of uploads', server: onLighttpd(replaced('server.max-request-size = 16384', 'server.max-request-size = 1024')), code: 'upload-size', line: 'server.max-request-size = 16384' },
  { title: 'the role of an Authorizer', server: onLighttpd(replaced('"check-local" => "disable",', '"check-local" => "disable", "mode" => "authorizer", "docroot" => "/srv/app/public",')), code: 'wrong-role', line: '"mode" => "responder"' },
  { title: 'mod_proxy in the place of mod_fastcgi', server: onLighttpd((text) => replaced('"mod_fastcgi"', '"mod_proxy"')(replaced(/fastcgi\.server = \([^]*?\n\)\n/, 'proxy.server = ( "/" => (( "host" => "/run/app/app.sock" )) )\n')(text))), code: 'server-speaks-http', line: 'fastcgi.server = ( "/" => (( "socket" => "SOCKET"' },
  { title: 'another path of the socket', server: onLighttpd(replaced('/run/app/app.sock', '/run/app/other.sock')), code: 'other-socket', line: '"socket" => "SOCKET"' },
])

const onCaddy = (edit: Edit): WebServer => caddy('Caddy', 'caddy/Caddyfile', { edit })

describeBroken('the doctor before a broken Caddy', servers.caddy, [
  { title: 'a Proxy header that goes on', server: onCaddy(replaced('header_up -Proxy', '')), code: 'httpoxy', line: 'header_up -Proxy' },
  { title: 'headers with underscores', server: onCaddy(replaced('header_up -*_*', '')), code: 'underscore', line: 'header_up -*_*' },
  { title: 'a header Status that goes on', server: onCaddy(replaced('header_down -Status', '')), code: 'status-header', line: 'header_down -Status' },
  { title: 'streams that are gathered', server: onCaddy(replaced('flush_interval -1', '')), code: 'stream', line: 'flush_interval -1' },
  { title: 'a small limit of uploads', server: onCaddy(replaced('max_size 16MB', 'max_size 1MB')), code: 'upload-size', line: 'max_size 16MB' },
  { title: 'an Authorization header that is removed', server: onCaddy(replaced('header_up -Proxy', 'header_up -Proxy\n    header_up -Authorization')), code: 'authorization', line: 'header_up Authorization {header.Authorization}' },
  { title: 'a Host that is set', server: onCaddy(replaced('header_up -Proxy', 'header_up -Proxy\n    header_up Host forced.example')), code: 'host-changed', line: 'header_up Host {hostport}' },
  { title: 'HTTP in the place of FastCGI', server: onCaddy(replaced(/ {4}transport fastcgi \{[^]*?\n {4}\}\n/, '')), code: 'server-speaks-http', line: 'transport fastcgi' },
  { title: 'another path of the socket', server: onCaddy(replaced('/run/app/app.sock', '/run/app/other.sock')), code: 'other-socket', line: 'reverse_proxy unix/SOCKET { transport fastcgi' },
  { title: 'a file server before the app', server: onCaddy(replaced('reverse_proxy unix//run/app/app.sock {', 'respond 404\n  reverse_proxy unix//run/app/app.sock {')), code: 'not-passed', line: 'reverse_proxy unix/SOCKET { transport fastcgi' },
])

/** Apache before Apache, at another address of the machine. */
const behindApache = (settings: string): WebServer => onApache((text) => `${text.replaceAll('127.0.0.1:8080', '127.0.0.9:8080').replace('<VirtualHost 127.0.0.9:8080>', `$&\n  ${settings}`)}
Listen 127.0.0.1:8080
<VirtualHost 127.0.0.1:8080>
  AllowEncodedSlashes NoDecode
  MergeSlashes Off
  ProxyPreserveHost On
  ProxyPass "/" "http://127.0.0.9:8080/" nocanon flushpackets=on
</VirtualHost>
`, ['proxy', 'proxy_fcgi', 'proxy_http', 'remoteip'])

describeBroken('the doctor before an Apache behind another proxy', servers.apache, [
  { title: 'whose address it takes for the client\'s', server: behindApache(''), code: 'proxy-address', line: 'RemoteIPHeader X-Forwarded-For\nRemoteIPInternalProxy 127.0.0.1' },
])

describeIfInstalled(servers.apache, 'the doctor before an Apache that mod_remoteip tells of the client', () => {
  it('finds nothing', async () => {
    const { findings } = await examine(behindApache('RemoteIPHeader X-Forwarded-For\n  RemoteIPInternalProxy 127.0.0.1'))
    expect(findings).toEqual([])
  })
})

const onHaproxy = (edit: Edit): WebServer => haproxy('HAProxy', 'haproxy/haproxy.cfg', { edit })

describeBroken('the doctor before a broken HAProxy', servers.haproxy, [
  { title: 'without pass-header', server: onHaproxy(replaced('pass-header Authorization', '')), code: 'authorization', line: 'pass-header Authorization' },
  { title: 'REMOTE_USER of the client', server: onHaproxy(replaced('set-param REMOTE_USER %[str()]', '')), code: 'remote-user', line: 'set-param REMOTE_USER %[str()]' },
  { title: 'no SERVER_SOFTWARE, as before 2.4.1', server: onHaproxy(replaced('set-param REMOTE_USER', 'set-param SERVER_SOFTWARE %[str(\\ )]\n  set-param REMOTE_USER')), code: 'server-software', line: 'set-param SERVER_SOFTWARE %[str(HAProxy)]' },
  { title: 'connections that are not kept', server: onHaproxy(replaced('  option keep-conn', '  no option keep-conn')), code: 'keep-conn', line: 'option keep-conn' },
  { title: 'kept connections that are not used again', server: onHaproxy(replaced('http-reuse always', 'http-reuse never')), code: 'keep-alive', line: 'http-reuse always' },
  { title: 'few headers allowed', server: onHaproxy(replaced('tune.http.maxhdr 256', '')), code: 'header-count', line: 'tune.http.maxhdr 256' },
  { title: 'a small buffer', server: onHaproxy(replaced('tune.bufsize 32768', 'tune.bufsize 8192')), code: 'head-size', line: 'tune.bufsize 32768' },
  { title: 'HTTP in the place of FastCGI', server: onHaproxy((text) => replaced('use-fcgi-app app', '')(replaced('app.sock proto fcgi', 'app.sock')(text))), code: 'server-speaks-http', line: 'server app unix@SOCKET proto fcgi' },
  { title: 'another path of the socket', server: onHaproxy(replaced('unix@/run/app/app.sock', 'unix@/run/app/other.sock')), code: 'other-socket', line: 'server app unix@SOCKET proto fcgi' },
  { title: 'a Host that is set', server: onHaproxy(replaced('http-request del-header Proxy', 'http-request del-header Proxy\n  http-request set-header Host forced.example')), code: 'host-changed', line: 'Host' },
])

/** HAProxy before HAProxy: a frontend that asks the one of the app, at another address of the machine. */
const behindHaproxy = (rule: string): WebServer => onHaproxy((text) => `${text.replace('bind 127.0.0.1:8080', `bind 127.0.0.9:8080\n  ${rule}`)}
frontend front
  bind 127.0.0.1:8080
  option forwardfor
  default_backend front
backend front
  server back 127.0.0.9:8080
`)

describeBroken('the doctor before a HAProxy behind another proxy', servers.haproxy, [
  { title: 'whose address it takes for the client\'s', server: behindHaproxy(''), code: 'proxy-address', line: 'http-request set-src req.hdr_ip(x-forwarded-for,-1) if { src 127.0.0.1 }' },
])

/** lighttpd before lighttpd, likewise; the one in front is not to tidy up paths. */
const behindLighttpd = (lines: string): WebServer => onLighttpd((text) => `${text.replace('"mod_fastcgi"', '"mod_extforward", "mod_proxy", "mod_fastcgi"').replace('fastcgi.server = (', `$SERVER["socket"] == "127.0.0.9:8080" {\n${lines}\n$&`).replace(/^\)$/m, ')\n}')}
server.http-parseopts := ( "url-normalize" => "disable" )
$SERVER["socket"] != "127.0.0.9:8080" {
  proxy.server = ( "" => (( "host" => "127.0.0.9", "port" => 8080 )) )
}
`)

describeBroken('the doctor before a lighttpd behind another proxy', servers.lighttpd, [
  { title: 'whose address it takes for the client\'s', server: behindLighttpd(''), code: 'proxy-address', line: 'extforward.forwarder = ( "127.0.0.1" => "trust" )\nextforward.headers = ( "X-Forwarded-For" )' },
])

describeIfInstalled({ ...servers.haproxy, installed: servers.haproxy.installed && servers.lighttpd.installed }, 'the doctor before HAProxy and lighttpd with the line that it names', () => {
  it.each([
    ['HAProxy', behindHaproxy('http-request set-src req.hdr_ip(x-forwarded-for,-1) if { src 127.0.0.1 }')],
    ['lighttpd', behindLighttpd('extforward.forwarder = ( "127.0.0.1" => "trust" )\nextforward.headers = ( "X-Forwarded-For" )')],
  ])('finds nothing: %s', async (_name, server) => {
    expect((await examine(server)).findings).toEqual([])
  })
})

const onH2o = (edit: Edit): WebServer => h2o('h2o', 'h2o/h2o.conf', { edit })

describeBroken('the doctor before a broken h2o', servers.h2o, [
  { title: 'kept connections', server: onH2o(replaced('fastcgi.timeout.io: 60000', 'fastcgi.timeout.io: 60000\n        fastcgi.timeout.keepalive: 60000')), code: 'h2o-keep-alive', line: 'fastcgi.timeout.keepalive' },
  { title: 'a small limit of uploads', server: onH2o(replaced('limit-request-body: 16777216', 'limit-request-body: 1048576')), code: 'upload-size', line: 'limit-request-body: 16777216' },
  { title: 'HTTP in the place of FastCGI', server: onH2o(replaced(/fastcgi\.connect:[^]*?fastcgi\.timeout\.io: 60000/, 'proxy.reverse.url: "http://[unix:/run/app/app.sock]/"')), code: 'server-speaks-http', line: 'fastcgi.connect: { port: SOCKET, type: unix }' },
  { title: 'another path of the socket', server: onH2o(replaced('port: /run/app/app.sock', 'port: /run/app/other.sock')), code: 'other-socket', line: 'fastcgi.connect: { port: SOCKET, type: unix }' },
  { title: 'files in the place of the app', server: onH2o(replaced(/fastcgi\.connect:[^]*?fastcgi\.timeout\.io: 60000/, 'file.dir: /srv/app/public')), code: 'not-passed', line: 'fastcgi.connect: { port: SOCKET, type: unix }' },
])
