/** A site of lighttpd. */
import { comment, indented, print, type Line } from './lines.js'
import { mountNote, pattern, type AppAddress, type Site } from './site.js'

const DEFAULT_PORT = 80

/**
 * A file for lighttpd's conf-available.
 * @param site what is wanted
 */
export function lighttpdConfig(site: Site): string {
  return print(
    comment(`The Express app ${site.name} over FastCGI behind lighttpd.`),
    '#',
    comment(`Install: /etc/lighttpd/conf-available/20-${site.name}.conf, then lighty-enable-mod ${site.name} && systemctl reload lighttpd.`),
    site.app.kind === 'socket' && comment('lighttpd\'s user (www-data on Debian) must be in the group of the socket, which has mode 0660.'),
    '',
    comment('For a password asked by lighttpd, mod_auth must stand before mod_fastcgi.'),
    `server.modules += ( ${site.staticFiles === undefined ? '' : '"mod_access", "mod_alias", '}"mod_fastcgi" )`,
    '',
    site.bodyBytes === 0
      ? comment('server.max-request-size is left at its default: uploads have no limit.')
      : [
          comment('In KiB: larger uploads are refused with 413. It holds for the whole of lighttpd.'),
          `server.max-request-size = ${String(Math.ceil(site.bodyBytes / 1024))}`,
        ],
    comment('A long cookie, or URL: at the default of 8192 it is a 431. It holds for the whole of lighttpd.'),
    'server.max-request-field-size = 32768',
    '',
    within(site, [
      comment('Uploads are gathered before the app is asked, which shields it from slow clients.'),
      'server.stream-request-body = 0',
      comment('Each piece of a response goes on as the app writes it. At the default, 0, an event stream never starts.'),
      'server.stream-response-body = 2',
      '',
      routes(site),
    ]),
  )
}

/** Puts lines into the conditions for the address and the name that clients ask. */
function within({ listen: { host, port }, serverNames }: Site, lines: Line): Line {
  const named = serverNames.length === 0
    ? lines
    : [`$HTTP["host"] =~ "^(${serverNames.map(namePattern).join('|')})(:[0-9]+)?$" {`, indented(lines), '}']
  if (host === undefined && port === DEFAULT_PORT) {
    return [comment('For HTTPS: a $SERVER["socket"] == ":443" with ssl.engine and ssl.pemfile (mod_openssl).'), named]
  }
  return [
    comment('For HTTPS: add ssl.engine and ssl.pemfile here (mod_openssl). The app hears of it by HTTPS and REQUEST_SCHEME.'),
    `$SERVER["socket"] == "${host === undefined ? '' : host.includes(':') ? `[${host}]` : host}:${String(port)}" {`,
    indented(named),
    '}',
  ]
}

function namePattern(name: string): string {
  return name.startsWith('*.') ? `[^:]+${pattern(name.slice(1))}` : pattern(name)
}

function routes(site: Site): Line {
  const { mount, staticFiles: files } = site
  const passed = mount === ''
    ? passes(site)
    : [
        comment(mountNote(mount)),
        `$HTTP["url"] =~ "^${pattern(mount)}(/|$)" {`,
        indented(passes(site)),
        '}',
      ]
  if (files === undefined) return passed
  const path = pattern(files.path)
  return [
    comment('Files that lighttpd sends by itself. Names that begin with a dot are hidden.'),
    `$HTTP["url"] =~ "^${path}/" {`,
    indented(
      `alias.url = ( "${files.path}/" => "${files.folder}/" )`,
      `$HTTP["url"] =~ "^${path}/(.*/)?\\." {`,
      indented('url.access-deny = ( "" )'),
      '}',
    ),
    '}',
    `else $HTTP["url"] =~ "^${mount === '' ? '/' : `${pattern(mount)}(/|$)`}" {`,
    indented(passes(site)),
    '}',
  ]
}

function passes({ app, name, timeoutSeconds }: Site): Line {
  return [
    comment('lighttpd opens a connection for each request. The Authorization header reaches the app; a client\'s Proxy header (httpoxy) lighttpd itself leaves out.'),
    'fastcgi.server = (',
    indented(
      '"/" => (',
      indented(places(app).map((place, index) => [
        `"${name}${index === 0 ? '' : `-${String(index + 1)}`}" => (`,
        indented(
          place,
          index === 0 && comment('Every URL is the app\'s, whether or not there is a file of that name.'),
          '"check-local" => "disable",',
          index === 0 && comment('No directory index: / is the app\'s too.'),
          '"fix-root-scriptname" => "enable",',
          index === 0 && comment('After a failure it is asked again the next second.'),
          '"disable-time" => 1,',
          index === 0 && comment('Seconds that a response may be silent before it is cut off: let an event stream send a comment line now and then.'),
          `"read-timeout" => ${String(timeoutSeconds)}`,
        ),
        '),',
      ])),
      ')',
    ),
    ')',
  ]
}

function places(app: AppAddress): Line[] {
  if (app.kind === 'socket') return [`"socket" => "${app.path}",`]
  return app.hosts.map(({ host, port }) => [`"host" => "${host}",`, `"port" => ${String(port)},`])
}
