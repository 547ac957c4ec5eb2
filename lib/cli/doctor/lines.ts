/** The remedies: for each finding the exact line, for each web server where they differ. Pure. */
import { findSharedName } from './apache-configuration.js'
import { isIP } from 'node:net'
import { dirname } from 'node:path'
import { DEFAULT_HOST, hostPort, isLoopback, leadingTo, namesOf, ofApache, ofNginx, serveLine, shown } from './app-place.js'
import type { ConfigurationFile, Facts, PathPart, PortFacts, ServerName, SocketFacts } from './facts.js'
import type { Finding, FindingCode } from './finding.js'
import { parseNginx, upstreamsOf } from './nginx-configuration.js'
import { findProxy, isForwardedHttps } from './proxy-before.js'
import { groupMay, isMasked, wideMask, type Access } from './permission.js'

/** A line and where it belongs. */
interface Remedy {
  readonly line: string
  readonly place: string
}

type Place = SocketFacts | PortFacts

/** By web server; `any` where the others have no line of their own. */
type Remedies = Partial<Record<ServerName | 'any', Remedy>>

/** Makes a finding of one code, with the line of the web server that was found. */
export type LineFor = (code: FindingCode, problem: string, evidence: string, part?: PathPart) => Finding

/** The service of each web server, as Debian names it. */
const SERVICES: Readonly<Record<ServerName, string>> = {
  nginx: 'nginx', apache: 'apache2', lighttpd: 'lighttpd', caddy: 'caddy', haproxy: 'haproxy', h2o: 'h2o',
}

const remedy = (line: string, place: string): Remedy => ({ line, place })

/** What makes findings of these facts. */
export function lineFor(facts: Facts): LineFor {
  return (code, problem, evidence, part) => {
    const { line, place } = remedyFor(code, facts, part)
    const file = OF_UPSTREAM.has(code) ? locatePlace(facts) : locatePass(facts)
    return { code, problem, evidence, line, place: file === undefined || !OF_CONFIGURATION.has(code) ? place : `${place} (${file})` }
  }
}

function remedyFor(code: FindingCode, facts: Facts, part: PathPart | undefined): Remedy {
  const { server } = facts
  const remedies = part === undefined || facts.place.kind === 'port' ? REMEDIES[code](facts.place, facts) : permissionRemedies(code, facts, facts.place, part)
  return (server === undefined ? undefined : remedies[server]) ?? remedies.any ??
    (server === undefined ? all(remedies) : remedy(`see docs/deploy/${server}.md`, `the configuration of ${server}`))
}

/** Where the web server is not known, the lines of all. */
function all(remedies: Remedies): Remedy {
  const known = Object.entries(remedies)
  return remedy(known.map(([name, { line }]) => `${name}: ${line}`).join('\n'), known.map(([name, { place }]) => `${name}: ${place}`).join('; '))
}

function permissionRemedies(code: FindingCode, { process, server }: Facts, socket: SocketFacts, part: PathPart): Remedies {
  const user = process?.account.name ?? 'www-data'
  const service = server === undefined ? user : SERVICES[server]
  const group = socket.groupNames.get(part.gid) ?? String(part.gid)
  if (code === 'groups-not-loaded') return { any: remedy(`systemctl restart ${service}`, 'a shell: a reload does not load groups') }
  const what = code === 'directory-permission' ? 'enter' : 'connect'
  const listed = lineOfAccessList(part, process, what)
  if (listed !== undefined) return { any: listed }
  // The group of root is nobody's to join.
  if (groupMay(part, what) && part.gid !== 0) {
    return { any: remedy(`usermod -aG ${group} ${user} && systemctl restart ${service}`, 'a shell; a reload of the web server does not load groups') }
  }
  if (what === 'enter') {
    if (/^\/(?:home|root)(?:\/|$)/.test(part.path)) return { any: remedy('RuntimeDirectory=app', '[Service] of the app\'s unit, and the socket at /run/app/app.sock: a home is closed to others') }
    return { any: remedy(`chmod o+x ${part.path}`, 'a shell; where systemd makes the directory, RuntimeDirectoryMode=0755 in [Service] of the app\'s unit') }
  }
  return { any: remedy(`serve(app, { socket: '${socket.path}', group: '${process?.account.name ?? 'www-data'}' })`, 'the app; or SupplementaryGroups= of its unit and the same option') }
}

/** The line for a part that has an access control list; undefined where the mode is what to change. */
function lineOfAccessList(part: PathPart, process: Facts['process'], access: Access): Remedy | undefined {
  if (process === undefined || typeof part.list !== 'object') return undefined
  if (isMasked(process.account, part, access)) {
    return remedy(`setfacl -m m::${wideMask(part.list, access)} ${part.path}`, access === 'enter' ? 'a shell. chmod sets the mask, too: it is what the group has in the mode' : 'a shell; and mode: \'0660\' of the app, because the mask is what the group has in the mode')
  }
  return access === 'enter' ? remedy(`setfacl -m u:${process.account.name}:x ${part.path}`, 'a shell') : undefined
}

/** The first line of the configuration that has a text, as `file:line`. */
function locate(configuration: readonly ConfigurationFile[], text: string): string | undefined {
  for (const { path, text: whole } of configuration) {
    const index = whole.split('\n').findIndex((line) => line.includes(text) && !/^\s*#/.test(line))
    if (index >= 0) return `${path}:${String(index + 1)}`
  }
  return undefined
}

/** Where the configuration names the socket, or the port by a name that leads there. */
function locatePlace({ configuration, place }: Facts): string | undefined {
  return place.kind === 'socket' ? locate(configuration, place.path) : leadingTo(place)[0]?.at
}

/** Where requests are passed to the app: in nginx that may be by the name of an upstream block. */
function locatePass(facts: Facts): string | undefined {
  const { configuration, place, server } = facts
  const [main, ...rest] = configuration
  const [upstream] = server !== 'nginx' || main === undefined ? [] : upstreamsOf(parseNginx(main, rest), namesOf(place))
  return (upstream?.used === true ? locate(configuration, `fastcgi_pass ${upstream.name};`) : undefined) ?? locatePlace(facts)
}

/** Findings whose line belongs to the block that names the app. */
const OF_UPSTREAM = new Set<FindingCode>(['keep-alive', 'idle-limit', 'max-fails'])
/** Findings whose line belongs to the web server's configuration: these name file and line where the app stands. */
const OF_CONFIGURATION = new Set<FindingCode>([
  'server-speaks-http', 'shared-name', 'wrong-role', 'no-params', 'no-request-uri', 'url-changed', 'encoded-slash', 'no-content-length', 'no-content-type',
  'param-twice', 'headers', 'authorization', 'cookie', 'host-port', 'host-changed', 'httpoxy', 'remote-user', 'underscore', 'scheme', 'scheme-forced',
  'client-address', 'proxy-address', 'server-software', 'two-addresses', 'keep-conn', 'keep-alive', 'h2o-keep-alive', 'idle-limit', 'max-fails', 'non-idempotent', 'head-size', 'header-count',
  'events', 'stream', 'upload-size', 'upload-lost', 'etag', 'status-header',
])

const NGINX_LOCATION = 'the location with fastcgi_pass, or the server block where the location has no fastcgi_param of its own'
const nginxParam = (name: string, value: string): Remedies => ({
  nginx: remedy(`fastcgi_param ${name} ${value};`, NGINX_LOCATION),
  any: remedy(`send ${name}`, 'the FastCGI part of the web server\'s configuration'),
})

const CADDY_BLOCK = 'the block of reverse_proxy'
const FCGID_HOST = 'the <VirtualHost> of the site'
/** `<Proxy>` takes no options for an IPv6 address: the brackets are wildcards to it. */
const apacheReuse = (place: Place): Remedy => place.kind === 'socket'
  ? remedy(`<Proxy "${ofApache(place)}" enablereuse=on flushpackets=on max=25>`, 'the <VirtualHost>, before ProxyPass')
  : remedy(`ProxyPass "/" "${ofApache(place)}" enablereuse=on flushpackets=on max=25`, 'the <VirtualHost>, in the place of the other ProxyPass')

/** How each web server passes everything to the app by FastCGI. */
const pass = (place: Place): Remedies => ({
  nginx: remedy(`fastcgi_pass ${ofNginx(place)};`, 'location / of the site, in the place of what is there (proxy_pass, try_files, root)'),
  apache: remedy(`ProxyPass "/" "${ofApache(place)}"`, 'the <VirtualHost> of the site'),
  lighttpd: remedy(`fastcgi.server = ( "/" => (( ${place.kind === 'socket' ? `"socket" => "${place.path}"` : `"host" => "${place.host}", "port" => ${String(place.port)}`}, "check-local" => "disable", "fix-root-scriptname" => "enable" )) )`, 'the site\'s file; mod_fastcgi among server.modules'),
  caddy: remedy(`reverse_proxy ${place.kind === 'socket' ? `unix/${place.path}` : shown(place)} { transport fastcgi { root / } }`, 'the site\'s block, in the place of php_fastcgi, file_server and other reverse_proxy'),
  haproxy: remedy(`server app ${place.kind === 'socket' ? `unix@${place.path}` : shown(place)} proto fcgi`, 'the backend, with use-fcgi-app'),
  h2o: remedy(`fastcgi.connect: { ${place.kind === 'socket' ? `port: ${place.path}, type: unix` : `host: "${place.host}", port: ${String(place.port)}, type: tcp`} }`, 'paths: "/": of the host'),
})

const RESTART_APP = 'a shell; the unit of your app may have another name'

/** The line where not even the directory of the socket is there: /run is empty after a boot. */
function missingDirectory(place: Place): Remedy | undefined {
  const last = place.kind === 'socket' ? place.parts.at(-1) : undefined
  if (place.kind === 'port' || last?.kind !== 'missing' || last.path === place.path) return undefined
  const directory = dirname(place.path)
  const [, name] = /^\/(?:var\/)?run\/(?:user\/\d+\/)?(.+)/.exec(directory) ?? []
  const unit = '[Service] of the app\'s unit, then systemctl daemon-reload && systemctl restart app'
  if (name !== undefined) return remedy(`RuntimeDirectory=${name}`, `${unit}: /run is empty after each boot, and this makes the directory anew. Where the line is there, systemctl start app`)
  return remedy('RuntimeDirectory=app', `${unit}, and the socket at /run/app/app.sock, in the app and in the web server: the directory is then made at each start. Or mkdir -p ${directory}`)
}

/** How each web server finds the client behind a proxy. */
function proxyRemedies(address = ''): Remedies {
  const proxy = isIP(address) === 0 ? 'unix:' : address
  const where = `with all addresses of the proxy. Or forwardedHeaders: 'trust' of the app, with 'trust proxy': docs/migrating.md#1-trust-proxy`
  return {
    nginx: remedy(`set_real_ip_from ${proxy};\nreal_ip_header X-Forwarded-For;\nreal_ip_recursive on;`, `the server block, ${where}`),
    apache: remedy(`RemoteIPHeader X-Forwarded-For\nRemoteIPInternalProxy ${proxy}`, `the <VirtualHost>, after a2enmod remoteip, ${where}`),
    lighttpd: remedy(`extforward.forwarder = ( "${proxy}" => "trust" )\nextforward.headers = ( "X-Forwarded-For" )`, `the site's file, with mod_extforward among server.modules, ${where}`),
    haproxy: remedy(`http-request set-src req.hdr_ip(x-forwarded-for,-1) if { src ${proxy} }`, `the frontend, ${where}`),
    any: remedy('take the client\'s address from X-Forwarded-For', `the web server's configuration, ${where}`),
  }
}

type RemedyTable = Readonly<Record<FindingCode, (place: Place, facts: Facts) => Remedies>>

/** Findings on the app and the way to it, on a socket as on a port. */
const OF_THE_APP = {
  'no-socket': (place) => ({ any: missingDirectory(place) ?? remedy('systemctl start app', `${RESTART_APP}. It says ${serveLine(place)}`) }),
  'not-a-socket': (place) => ({ any: remedy(`rm ${shown(place)}`, 'a shell, once nothing else uses the file; or another path for the socket') }),
  'stale-socket': () => ({ any: remedy('systemctl start app', `${RESTART_APP}. It takes over the file that was left`) }),
  'queue-full': () => ({ any: remedy('sysctl -w net.core.somaxconn=4096', 'a shell, and /etc/sysctl.d; where it is that or more, the app is too slow: concurrencyLimit()') }),
  'no-answer': () => ({ any: remedy('systemctl restart app', `${RESTART_APP}. Before that look at \`top\`: an event loop that is blocked shows 100 %`) }),
  'app-speaks-http': (place) => ({ any: remedy(serveLine(place), 'the app, in the place of app.listen()') }),
  'app-closes': () => ({ any: remedy('journalctl --unit app', `${RESTART_APP}. FCGI_WEB_SERVER_ADDRS may not list this host`) }),
  'directory-permission': () => ({}),
  'socket-permission': () => ({}),
  'groups-not-loaded': () => ({}),
  'private-tmp': () => ({ any: remedy('RuntimeDirectory=app', '[Service] of the app\'s unit, and the socket at /run/app/app.sock, in the app and in the web server') }),
  'other-mounts': () => ({ any: remedy('RuntimeDirectory=app', '[Service] of the app\'s unit, and the socket at /run/app/app.sock. In containers: one volume for both') }),
  chroot: (place, { process }) => ({
    haproxy: remedy(`#chroot ${process?.root ?? '/var/lib/haproxy'}`, `global: take the line away; or put the socket below that directory. ${shown(place)} cannot be reached from there`),
    any: remedy(`serve(app, { socket: '${process?.root ?? ''}${shown(place)}' })`, 'the app: below the root directory of the web server'),
  }),
  selinux: (place, { server }) => ({
    any: place.kind === 'port' ? remedy('setsebool -P httpd_can_network_connect on', 'a shell') : remedy(`ausearch -m AVC -ts recent | audit2allow -M express_app && semodule -i express_app.pp`,
      `a shell, after a request that failed: a policy module that lets ${server === undefined ? 'the web server' : SERVICES[server]} connect to the app`),
  }),
  'url-unreachable': (_, { server }) => ({ any: remedy(`systemctl start ${server === undefined ? 'nginx' : SERVICES[server]}`, 'a shell; or another --url') }),
  'password-asked': () => ({ any: remedy('--url with a path that needs no password', 'the command: what is behind the password was not looked at') }),
  redirected: () => ({ any: remedy('--url with the address that it leads to', 'the command: what is behind it was not looked at') }),
  'other-socket': pass,
  'not-passed': pass,
  'shared-name': (place, { configuration }) => ({
    any: remedy(`ProxyPass "/" "unix:${shown(place)}|${findSharedName(configuration, shown(place))?.free ?? 'fcgi://app2'}/"`, 'the <VirtualHost>, with a name after the | that no other app there has; its <Proxy> has the same name'),
  }),
  'server-speaks-http': pass,
} satisfies Partial<RemedyTable>

/** The address from which the web server connects. */
function webServerAddress({ place, answer, process, conversation }: Facts): string {
  const from = answer.kind === 'refused' ? undefined : answer.from?.replace(/^::ffff:/, '')
  const isHere = process !== undefined || (place.kind === 'port' && place.addresses.some(isLoopback))
  if (conversation === undefined || isHere) return from ?? DEFAULT_HOST
  const host = conversation.url.hostname.replace(/^\[|\]$/g, '')
  return isIP(host) === 0 ? new Map(conversation.arrivals[0]?.params).get('SERVER_ADDR') ?? host : host
}

const ENVIRONMENT = 'the environment of the app, as by Environment= in [Service] of its unit'

const OF_THE_PORT = {
  'no-listener': (place) => ({ any: remedy('systemctl start app', `${RESTART_APP}. It says ${serveLine(place)}`) }),
  'other-address': (place, facts) => place.kind === 'port' && facts.answer.kind === 'refused' && !facts.standsIn
    ? { any: remedy(serveLine(place), `the app; or --port ${hostPort(place.listening?.[0] ?? place.host, place.port)}, and the same in the web server's configuration`) }
    : pass(place),
  'two-addresses': (place, { configuration }) => ({ any: remedy(twoAddressesLine(place, configuration), 'in the place of the name') }),
  'unknown-host': (place) => ({ any: remedy(`getent hosts ${place.kind === 'port' ? place.host : ''}`, 'a shell, until it prints an address: /etc/hosts, or an address in the place of the name, in --port and in the web server\'s configuration') }),
  'host-unreachable': (place) => ({ any: remedy(`ip route get ${place.kind === 'port' ? place.addresses[0] ?? place.host : ''}`, 'a shell, which shows the way to it; then the firewall of that host, which has to let the web server in') }),
  'address-refused': (place, facts) => ({ any: remedy(`FCGI_WEB_SERVER_ADDRS=${place.kind === 'port' && place.allowed !== undefined ? `${place.allowed},` : ''}${webServerAddress(facts)}`, ENVIRONMENT) }),
  'open-port': (place, facts) => ({ any: remedy(`FCGI_WEB_SERVER_ADDRS=${webServerAddress(facts)}`, `${ENVIRONMENT}: the address of the web server.${onlyHere(place)} A firewall is not seen here`) }),
  'other-network': () => ({ any: remedy('serve(app, { socket: \'/run/app/app.sock\' })', 'the app, on a volume that both have; or an address in a network that both are in, with FCGI_WEB_SERVER_ADDRS') }),
  'not-fastcgi': (place) => ({ any: remedy(place.kind === 'port' ? `ss -ltnp 'sport = :${String(place.port)}'` : `ss -lxp 'src ${place.path}'`, 'a shell as root: it names the process. Then another port or path for one of the two') }),
} satisfies Partial<RemedyTable>

/** Where the web server connects to 127.0.0.1 there is no need of another address. */
function onlyHere(place: Place): string {
  return place.kind === 'port' && place.addresses.some(isLoopback) ? ` Or listen at 127.0.0.1 alone, which is the default: serve(app, { port: ${String(place.port)} }), or no --host.` : ''
}

function twoAddressesLine(place: Place, [main, ...rest]: readonly ConfigurationFile[]): string {
  const [upstream] = main === undefined ? [] : upstreamsOf(parseNginx(main, rest), namesOf(place))
  return upstream === undefined ? `fastcgi_pass ${ofNginx(place)};` : `server ${ofNginx(place)} max_fails=0;`
}

const OF_PARAMS = {
  'wrong-role': () => ({
    lighttpd: remedy('"mode" => "responder"', 'fastcgi.server, in the place of "mode" => "authorizer"'),
    any: remedy('the role Responder', 'the FastCGI part of the web server\'s configuration'),
  }),
  'no-params': () => ({ nginx: remedy('include express_params;', 'the location with fastcgi_pass: a location with a fastcgi_param of its own inherits none'), any: remedy('send the CGI variables', 'the FastCGI part') }),
  'no-request-uri': () => nginxParam('REQUEST_URI', '$request_uri'),
  'url-changed': () => nginxParam('REQUEST_URI', '$request_uri'),
  'encoded-slash': () => ({ apache: remedy('AllowEncodedSlashes NoDecode', 'the <VirtualHost>'), any: remedy('pass %2F on', 'the web server\'s configuration') }),
  'no-content-length': () => nginxParam('CONTENT_LENGTH', '$content_length'),
  'no-content-type': () => nginxParam('CONTENT_TYPE', '$content_type'),
  'param-twice': () => ({ nginx: remedy('include express_params;', 'the location, as the only place where the param is set: an include does not replace a fastcgi_param, both are sent'), any: remedy('set it once', 'the FastCGI part') }),
  headers: () => ({ nginx: remedy('fastcgi_pass_request_headers on;', NGINX_LOCATION), any: remedy('pass the request headers on', 'the web server\'s configuration') }),
  authorization: () => ({
    nginx: remedy('fastcgi_param HTTP_AUTHORIZATION $http_authorization;', `${NGINX_LOCATION}, in the place of the line that sets it otherwise`),
    apache: remedy('CGIPassAuth On', '<Location "/"> in the <VirtualHost>'),
    haproxy: remedy('pass-header Authorization', 'the section fcgi-app'),
    caddy: remedy('header_up Authorization {header.Authorization}', `${CADDY_BLOCK}, in the place of header_up -Authorization`),
    any: remedy('pass the header Authorization on', 'the web server\'s configuration'),
  }),
  cookie: () => ({
    nginx: remedy('fastcgi_param HTTP_COOKIE $http_cookie;', `${NGINX_LOCATION}, in the place of the line that sets it otherwise`),
    any: remedy('pass the header Cookie on', 'the web server\'s configuration: a line there removes it'),
  }),
  'host-port': () => ({
    nginx: remedy('fastcgi_param HTTP_HOST $express_host;', 'in the place of fastcgi_param HTTP_HOST $host; or `include express_params;` in the place of fastcgi_params, with express_host.conf in the http block'),
    caddy: remedy('header_up Host {hostport}', CADDY_BLOCK),
    any: remedy('pass the header Host on as it is', 'the web server\'s configuration: a line there sets it'),
  }),
  'host-changed': () => ({
    nginx: remedy('fastcgi_param HTTP_HOST $express_host;', 'in the place of the fastcgi_param HTTP_HOST that is there; express_host.conf belongs to the http block'),
    apache: remedy('ProxyPreserveHost On', 'the <VirtualHost>, without RequestHeader set Host'),
    caddy: remedy('header_up Host {hostport}', `${CADDY_BLOCK}, in the place of the other header_up Host`),
    any: remedy('pass the header Host on as it is', 'the web server\'s configuration: a line there sets it'),
  }),
  httpoxy: () => ({
    nginx: remedy('fastcgi_param HTTP_PROXY "";', NGINX_LOCATION),
    apache: remedy('RequestHeader unset Proxy early', 'the <VirtualHost>, with mod_headers'),
    caddy: remedy('header_up -Proxy', CADDY_BLOCK),
    haproxy: remedy('http-request del-header Proxy', 'the frontend'),
    lighttpd: remedy('lighttpd 1.4.41 or later', 'the system: it removes the header by itself'),
  }),
  'remote-user': () => ({
    nginx: remedy('fastcgi_param REMOTE_USER "";', 'in the place of fastcgi_param REMOTE_USER $remote_user; or `include express_params;` in the place of fastcgi_params'),
    haproxy: remedy('set-param REMOTE_USER %[str()]', 'the section fcgi-app'),
    any: remedy('send REMOTE_USER where a password was checked only', 'the FastCGI part'),
  }),
  underscore: () => ({
    caddy: remedy('header_up -*_*', CADDY_BLOCK),
    nginx: remedy('underscores_in_headers off;', 'the server block'),
  }),
  scheme: (_, { conversation }) => ({
    nginx: conversation !== undefined && isForwardedHttps(conversation)
      ? remedy('fastcgi_param HTTPS on;', `${NGINX_LOCATION}: of the site that the proxy reaches after it has ended the encryption, and nobody past it`)
      : remedy('fastcgi_param HTTPS $https if_not_empty;', NGINX_LOCATION),
    apache: remedy('SetEnv HTTPS on', 'the <VirtualHost> that another proxy reaches after it has ended the encryption'),
    haproxy: remedy('set-param HTTPS %[str(on)] if { ssl_fc }', 'the section fcgi-app'),
    any: remedy('send HTTPS=on', 'the FastCGI part'),
  }),
  'scheme-forced': () => ({
    nginx: remedy('fastcgi_param HTTPS $https if_not_empty;', `${NGINX_LOCATION}, in the place of the line that sets it always`),
    any: remedy('send HTTPS for encrypted connections only', 'the FastCGI part: a line there sets it always'),
  }),
  'client-address': () => nginxParam('REMOTE_ADDR', '$remote_addr'),
  'proxy-address': (_, { conversation }) => proxyRemedies(conversation === undefined ? undefined : findProxy(conversation)?.address),
  'server-software': () => ({
    ...nginxParam('SERVER_SOFTWARE', 'nginx/$nginx_version'),
    haproxy: remedy('set-param SERVER_SOFTWARE %[str(HAProxy)]', 'the section fcgi-app. HAProxy before 2.2.15, 2.3.11 and 2.4.1 sends none, and 2.1.7 answers 502 where the app writes to FCGI_STDERR: better a newer one'),
  }),
} satisfies Partial<RemedyTable>

const OF_CONNECTIONS = {
  'keep-conn': () => ({
    nginx: remedy('fastcgi_keep_conn on;', 'the server block, or the location with fastcgi_pass'),
    haproxy: remedy('option keep-conn', 'the section fcgi-app, in the place of `no option keep-conn`'),
    any: remedy('ask the app to keep connections', 'the FastCGI part'),
  }),
  'keep-alive': (place, { configuration }) => ({
    nginx: keepaliveLine(configuration, place),
    haproxy: remedy('http-reuse always', 'the backend'),
    apache: apacheReuse(place),
    any: remedy('keep connections, or do not ask for it', 'the FastCGI part'),
  }),
  'h2o-keep-alive': () => ({ any: remedy('#fastcgi.timeout.keepalive', 'take the line away: h2o 2.2 can abort when the app closes a kept connection') }),
  'idle-limit': () => ({ nginx: remedy('keepalive_timeout 60s;', 'the upstream block; or timeouts.idle of the app above it'), any: remedy('keep idle connections for 60 seconds', 'the web server') }),
  'max-fails': (place) => ({ any: remedy(`server ${ofNginx(place)} max_fails=0;`, 'the upstream block, each of its server lines') }),
  'non-idempotent': () => ({ any: remedy('fastcgi_next_upstream error timeout;', 'in the place of the line with non_idempotent') }),
} satisfies Partial<RemedyTable>

const OF_ANSWERS = {
  'head-size': () => ({
    nginx: remedy('fastcgi_buffer_size 32k;\nfastcgi_buffers 8 32k;\nfastcgi_busy_buffers_size 64k;', 'the server block, or the location with fastcgi_pass'),
    haproxy: remedy('tune.bufsize 32768', 'global'),
    any: remedy('allow response heads of 8 kB and more', 'the web server\'s configuration'),
  }),
  'header-count': () => ({ haproxy: remedy('tune.http.maxhdr 256', 'global'), any: remedy('fewer than 100 headers', 'the app: the web server has no setting for it') }),
  events: (place) => streaming(place, 'fastcgi_buffering off;', 'the location of the event stream, and no X-Accel-Buffering in fastcgi_ignore_headers'),
  stream: (place) => streaming(place, 'fastcgi_keep_conn on;', 'the server block; or fastcgi_buffering off; in the location of the stream'),
  'upload-size': () => ({
    nginx: remedy('client_max_body_size 16m;', 'the server block'),
    apache: remedy('LimitRequestBody 16777216', 'the <VirtualHost>, in the place of the smaller one'),
    lighttpd: remedy('server.max-request-size = 16384', 'the site\'s file; it is in KiB'),
    caddy: remedy('max_size 16MB', 'request_body of the site'),
    h2o: remedy('limit-request-body: 16777216', 'the top of h2o.conf'),
    any: remedy('allow uploads of 16 MB', 'the web server\'s configuration'),
  }),
  'upload-lost': () => ({
    nginx: remedy('fastcgi_pass_request_body on;', 'the location with fastcgi_pass, in the place of the line that says off'),
    any: remedy('pass the whole body on', 'the web server\'s configuration'),
  }),
  'fcgid-request-length': () => ({ any: remedy('FcgidMaxRequestLen 16777216', FCGID_HOST) }),
  'fcgid-io-timeout': () => ({ any: remedy('FcgidIOTimeout 60', FCGID_HOST) }),
  'fcgid-busy-timeout': () => ({ any: remedy('FcgidBusyTimeout 300', `${FCGID_HOST}; more where responses last longer, such as event streams`) }),
  'fcgid-output-buffer': () => ({ any: remedy('FcgidOutputBufferSize 0', FCGID_HOST) }),
  etag: () => ({ apache: remedy('DeflateAlterETag NoChange', 'the <VirtualHost>, for mod_deflate'), any: remedy('leave ETag as it is', 'the compression of the web server') }),
  'status-header': () => ({ caddy: remedy('header_down -Status', CADDY_BLOCK), any: remedy('remove the header Status', 'the web server\'s configuration') }),
} satisfies Partial<RemedyTable>

/** An upstream block may be missing, or not be used, or keep nothing. */
function keepaliveLine([main, ...rest]: readonly ConfigurationFile[], place: Place): Remedy {
  const [upstream] = main === undefined ? [] : upstreamsOf(parseNginx(main, rest), namesOf(place))
  if (upstream === undefined) return remedy(`upstream app { server ${ofNginx(place)} max_fails=0; keepalive 16; }`, 'the http block; and fastcgi_pass app; in the location')
  if (upstream.keepalive && !upstream.used) return remedy(`fastcgi_pass ${upstream.name};`, `the location, in the place of ${place.kind === 'socket' ? 'the path of the socket' : 'the address'}`)
  return remedy('keepalive 16;', 'the upstream block')
}

function streaming(app: Place, line: string, place: string): Remedies {
  return {
    nginx: remedy(line, place),
    apache: remedy(`ProxyPass "/" "${ofApache(app)}" flushpackets=on`, 'the <VirtualHost>; or flushpackets=on in its <Proxy>'),
    lighttpd: remedy('server.stream-response-body = 2', 'the site\'s file'),
    caddy: remedy('flush_interval -1', CADDY_BLOCK),
    any: remedy('hand on each piece of a response at once', 'the web server\'s configuration'),
  }
}

const REMEDIES: RemedyTable = { ...OF_THE_APP, ...OF_THE_PORT, ...OF_PARAMS, ...OF_CONNECTIONS, ...OF_ANSWERS }
