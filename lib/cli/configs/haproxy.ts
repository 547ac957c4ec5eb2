/** Sections of HAProxy: a frontend, a backend and its fcgi-app. */
import { comment, indented, print, type Line } from './lines.js'
import { addressText, mountNote, pattern, type Site } from './site.js'

/**
 * Sections for haproxy.cfg.
 * @param site what is wanted
 */
export function haproxyConfig(site: Site): string {
  return print(
    comment(`The Express app ${site.name} over FastCGI behind HAProxy (2.1 or later).`),
    '#',
    comment('Install: add these sections to /etc/haproxy/haproxy.cfg, below the `defaults` of the distribution, then haproxy -c -f /etc/haproxy/haproxy.cfg && systemctl reload haproxy.'),
    site.app.kind === 'socket' && [
      comment('Debian\'s `chroot /var/lib/haproxy` is entered before HAProxy connects: remove that line, or put the socket below it.'),
      comment('HAProxy\'s user (haproxy) must be in the group of the socket, which has mode 0660.'),
    ],
    '',
    'global',
    indented(
      comment('All params of a request must fit into one buffer, the path three times among them, and so must a response head. At the default of 16384 HAProxy itself answers 500 to a path over 5,336 bytes.'),
      `tune.bufsize ${String(site.headBytes)}`,
      comment('At the default of 101 a response with more than 100 headers is a 502.'),
      'tune.http.maxhdr 256',
    ),
    '',
    frontend(site),
    '',
    backend(site),
    '',
    `fcgi-app ${site.name}`,
    indented(
      comment('HAProxy requires a root, though no file is looked up.'),
      'docroot /',
      comment('HAProxy keeps the Authorization header to itself unless told otherwise.'),
      'pass-header Authorization',
      comment('HAProxy takes REMOTE_USER from the Authorization header whether or not it has checked a password: it is not sent.'),
      'set-param REMOTE_USER %[str()]',
      site.keepConnections
        ? [comment('The app is asked to keep the connection after a response (this is the default).'), 'option keep-conn']
        : 'no option keep-conn',
    ),
  )
}

function frontend(site: Site): Line {
  const { host = '', port } = site.listen
  return [
    `frontend ${site.name}`,
    indented(
      'mode http',
      comment('For HTTPS: bind … ssl crt, with a file of certificate and key. The app hears of it by HTTPS and REQUEST_SCHEME.'),
      `bind ${host === '' ? `:::${String(port)} v4v6` : `${host.includes(':') ? `[${host}]` : host}:${String(port)}`}`,
      comment('For so long a client may be silent.'),
      `timeout client ${String(site.timeoutSeconds)}s`,
      comment('httpoxy (CVE-2016-5385): a client\'s Proxy header must not look like the environment variable.'),
      'http-request del-header Proxy',
      site.bodyBytes > 0 && [
        comment('Larger uploads are refused, in bytes. HAProxy knows no size of one in chunks: there the app\'s own limit holds.'),
        `http-request deny deny_status 413 if { req.hdr_val(content-length) gt ${String(site.bodyBytes)} }`,
      ],
      conditions(site),
    ),
  ]
}

/** Which requests are the app's; all others get 503, or what else the configuration has for them. */
function conditions({ name, serverNames, mount }: Site): Line {
  const exact = serverNames.filter((each) => !each.startsWith('*'))
  const endings = serverNames.filter((each) => each.startsWith('*')).map((each) => each.slice(1))
  const tests = [serverNames.length > 0 && `${name}-host`, mount !== '' && `${name}-path`].filter((test) => test !== false)
  return [
    serverNames.length > 0 && comment('The host that was asked for, without its port.'),
    exact.length > 0 && `acl ${name}-host req.hdr(host),field(1,:) -i -m str ${exact.join(' ')}`,
    endings.length > 0 && `acl ${name}-host req.hdr(host),field(1,:) -i -m end ${endings.join(' ')}`,
    mount !== '' && [
      comment(mountNote(mount)),
      `acl ${name}-path path_reg ^${pattern(mount)}(/|$)`,
    ],
    tests.length === 0
      ? `default_backend ${name}`
      : [
          comment('All else gets 404; where other sites are to follow, take away the first line.'),
          `http-request return status 404 unless ${tests.join(' ')}`,
          `use_backend ${name} if ${tests.join(' ')}`,
        ],
  ]
}

function backend(site: Site): Line {
  const places = site.app.kind === 'socket' ? [`unix@${site.app.path}`] : site.app.hosts.map(addressText)
  const several = places.length > 1
  return [
    `backend ${site.name}`,
    indented(
      'mode http',
      `use-fcgi-app ${site.name}`,
      comment('A host that does not answer at all, and a response that is silent: it is cut off after so long. Let an event stream send a comment line now and then.'),
      'timeout connect 2s',
      `timeout server ${String(site.timeoutSeconds)}s`,
      site.keepConnections
        ? [
            comment('Connections to the app are kept and used for every client. The app asks HAProxy to let go of them before it closes any.'),
            'http-reuse always',
          ]
        : 'http-reuse never',
      site.app.kind === 'socket'
        ? comment('HAProxy tries no connection to a Unix socket again, whatever `retries` says: while the app is away every request is a 503.')
        : [
            comment('Where a host cannot be reached nothing has been sent, so any request is tried again, a second apart, and elsewhere if there is another.'),
            'retries 3',
            'option redispatch 1',
          ],
      several && 'balance leastconn',
      health(site),
      comment('More requests than maxconn wait, and after `timeout queue` (or `connect`) get 503. An open event stream counts, so this is far above what the app works on at a time, and below its limits.connections (4096).'),
      servers(site, places),
    ),
  ]
}

/** Which hosts get requests, where they tell. */
function health({ health: path }: Site): Line {
  if (path === undefined) return false
  const isOwn = path.endsWith('/readyz')
  return [
    comment('A host that says that it is not ready gets no requests. HAProxy asks over FastCGI, which it can from 2.2 on.'),
    isOwn && comment('exclude=capped: a host that turns requests away for a moment stays. Were it taken out, the others would be full next.'),
    `option httpchk GET ${path}${isOwn ? '?exclude=capped' : ''}`,
    'http-check expect status 200',
    comment('A host that is slow to answer is busy, and not away.'),
    'timeout check 5s',
    comment('It is seen within 3 seconds that a host is not ready: give the app a --drain-delay of 5s.'),
    'default-server inter 2s fastinter 500ms fall 2 rise 1',
  ]
}

function servers(site: Site, places: readonly string[]): Line {
  const nameOf = (index: number): string => `${site.name}${places.length > 1 ? String(index + 1) : ''}`
  const line = (place: string, name: string, more: string): string => `server ${name} "${place}" proto fcgi maxconn 2000${more}`
  if (site.health === undefined) return places.map((place, index) => line(place, nameOf(index), ''))
  return [
    places.map((place, index) => line(place, nameOf(index), ' check')),
    comment('Where no host is ready, all are asked all the same: a check that fails everywhere must not take the site down.'),
    'option allbackups',
    places.map((place, index) => line(place, `${nameOf(index)}-unready`, ' backup')),
  ]
}
