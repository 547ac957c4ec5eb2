/** A site of Caddy. */
import { comment, indented, print, type Line } from './lines.js'
import { addressText, mountNote, type Site } from './site.js'

const HTTPS_PORT = 443

/**
 * A Caddyfile, or a part of one.
 * @param site what is wanted
 */
export function caddyConfig(site: Site): string {
  const { host, port } = site.listen
  const hosts = site.serverNames.length === 0 ? [''] : site.serverNames
  const text = print(
    comment(`The Express app ${site.name} over FastCGI behind Caddy.`),
    '#',
    comment('Install: /etc/caddy/Caddyfile, or what that file imports, then caddy validate --config /etc/caddy/Caddyfile && systemctl reload caddy.'),
    site.app.kind === 'socket' && comment('Caddy\'s user (caddy) must be in the group of the socket, which has mode 0660.'),
    '',
    port === HTTPS_PORT
      ? comment('Caddy fetches a certificate for the host name.')
      : comment('For HTTPS: a host name without http:// and without port. Caddy then fetches a certificate.'),
    // Caddy refuses http:// with port 443.
    `${hosts.map((name) => port === HTTPS_PORT ? `https://${name}` : `http://${name}:${String(port)}`).join(', ')} {`,
    indented(
      host !== undefined && [`bind ${host}`, ''],
      site.bodyBytes > 0 && [
        comment('Larger uploads are refused with 413, in bytes.'),
        'request_body {',
        indented(`max_size ${String(site.bodyBytes)}`),
        '}',
        '',
      ],
      routes(site),
    ),
    '}',
  )
  // As `caddy fmt` has it; else each start of Caddy warns.
  return text.replace(/^(?: {2})+/gm, (blanks) => '\t'.repeat(blanks.length / 2))
}

function routes(site: Site): Line {
  const { mount, staticFiles: files } = site
  if (mount === '' && files === undefined) return reverseProxy(site)
  return [
    files !== undefined && [
      comment('Files that Caddy sends by itself. Names that begin with a dot are hidden.'),
      `handle_path ${files.path}/* {`,
      indented(
        `root * "${files.folder}"`,
        'file_server {',
        indented('hide .*'),
        '}',
      ),
      '}',
      '',
    ],
    mount === ''
      ? ['handle {', indented(reverseProxy(site)), '}']
      : [
          comment(mountNote(mount)),
          `@${site.name} path ${mount} ${mount}/*`,
          `handle @${site.name} {`,
          indented(reverseProxy(site)),
          '}',
          '',
          comment('All else is not the app\'s. Caddy would answer it with an empty 200.'),
          'handle {',
          indented('respond 404'),
          '}',
        ],
  ]
}

function reverseProxy(site: Site): Line {
  const places = site.app.kind === 'socket' ? [`unix/${site.app.path}`] : site.app.hosts.map(addressText)
  return [
    comment('Not php_fastcgi, which looks for index.php. Caddy opens a connection for each request.'),
    `reverse_proxy ${places.map((place) => `"${place}"`).join(' ')} {`,
    indented(
      comment('httpoxy (CVE-2016-5385): a client\'s Proxy header must not look like the environment variable.'),
      'header_up -Proxy',
      comment('X_Forwarded_For and X-Forwarded-For are one name in FastCGI, and Caddy would send either of the two.'),
      'header_up -*_*',
      comment('Caddy takes the status from this header and would pass the header on as well.'),
      'header_down -Status',
      comment('Each piece of a response goes on as the app writes it, or an event stream would wait.'),
      'flush_interval -1',
      comment('While the app cannot be reached Caddy tries again for so long; without it each request is a 502 at once. A GET whose connection broke is sent again, so a handler may run twice. Other methods get 502, even where no host could be reached (Caddy 2.6).'),
      'lb_try_duration 5s',
      places.length > 1 && [
        comment('In turn, and not to one that has just failed. No health_uri: over FastCGI its questions fail within Caddy 2.6 itself, and no host is ever asked.'),
        'lb_policy round_robin',
        'fail_duration 2s',
      ],
      'transport fastcgi {',
      indented(
        comment('The app serves every path, so there is no directory to look scripts up in.'),
        'root /',
        comment('Who has come in by a password that Caddy asked for; else nobody.'),
        'env REMOTE_USER {http.auth.user.id}',
        'dial_timeout 2s',
        comment('No read_timeout: it ends a response that lasts longer in all, silent or not, and so every event stream (Caddy 2.6).'),
      ),
      '}',
    ),
    '}',
  ]
}
