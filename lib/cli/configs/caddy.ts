/** A site of Caddy. */
import { comment, indented, print, type Line } from './lines.js'
import { addressText, type Site } from './site.js'

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
    comment('For HTTPS: a host name without http:// and without port. Caddy then fetches a certificate.'),
    `${hosts.map((name) => `http://${name}:${String(port)}`).join(', ')} {`,
    indented(
      host !== undefined && `bind ${host}`,
      site.bodyBytes > 0 && [
        '',
        comment('Larger uploads are refused with 413, in bytes.'),
        'request_body {',
        indented(`max_size ${String(site.bodyBytes)}`),
        '}',
      ],
      '',
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
          comment(`The app's URLs. REQUEST_URI keeps the prefix: give the app the option mount: '${mount}', or routes that begin with it.`),
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
      comment('While the app cannot be reached Caddy tries again for so long; without it each request is a 502 at once. A GET whose connection broke is sent again, so a handler may run twice.'),
      'lb_try_duration 5s',
      places.length > 1 && [
        comment('Not to the first host alone, and not to one that has just failed.'),
        'lb_policy round_robin',
        'fail_duration 2s',
      ],
      site.health !== undefined && [
        comment('A host that does not say that it is ready gets no requests.'),
        `health_uri ${site.health}`,
        'health_interval 2s',
      ],
      'transport fastcgi {',
      indented(
        comment('The app serves every path, so there is no directory to look scripts up in.'),
        'root /',
        comment('Who has come in by a password that Caddy asked for; else nobody.'),
        'env REMOTE_USER {http.auth.user.id}',
        'dial_timeout 2s',
        comment('No read_timeout: in Caddy 2.6 it ends a response that takes longer in all, event streams too.'),
      ),
      '}',
    ),
    '}',
  ]
}
