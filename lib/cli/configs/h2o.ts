/** A configuration of h2o. */
import { comment, indented, print, type Line } from './lines.js'
import { mountNote, type Site } from './site.js'

/** h2o has no word for 'no limit'. */
const NO_LIMIT = 2 ** 40

/**
 * A file for h2o, or its `hosts` for the one that is there.
 * @param site what is wanted
 */
export function h2oConfig(site: Site): string {
  const names = site.serverNames.length === 0 ? ['*'] : site.serverNames
  return print(
    comment(`The Express app ${site.name} over FastCGI behind h2o (2.2 or later).`),
    '#',
    comment('Install: put these lines into /etc/h2o/h2o.conf, below those for user, pid-file and logs, in the place of its `hosts`; then h2o -t -c /etc/h2o/h2o.conf && systemctl reload h2o. Without a line for user h2o works as nobody.'),
    site.app.kind === 'socket' && comment('h2o\'s user (debian-h2o on Debian) must be in the group of the socket, which has mode 0660.'),
    '#',
    comment('fastcgi.timeout.keepalive is left out: with kept connections h2o 2.2 itself can abort when the app closes one. Without it h2o opens a connection for each request.'),
    '',
    'hosts:',
    indented(names.map((name) => [
      `"${name}:${String(site.listen.port)}":`,
      indented(
        comment('For HTTPS: add ssl with certificate-file and key-file to listen. The app hears of it by HTTPS and REQUEST_SCHEME.'),
        'listen:',
        indented(
          site.listen.host !== undefined && `host: "${site.listen.host}"`,
          `port: ${String(site.listen.port)}`,
        ),
        'paths:',
        indented(paths(site)),
      ),
    ])),
    '',
    comment('Larger uploads are refused with 413; the default is 1 GiB. h2o gathers an upload before the app is asked. It holds for the whole of h2o.'),
    `limit-request-body: ${String(site.bodyBytes === 0 ? NO_LIMIT : site.bodyBytes)}`,
  )
}

function paths({ app, mount, staticFiles: files, timeoutSeconds }: Site): Line {
  return [
    files !== undefined && [
      comment('Files that h2o sends by itself. It sends those whose names begin with a dot, too: keep none there.'),
      `"${files.path}":`,
      indented(`file.dir: "${files.folder}"`),
    ],
    mount !== '' && comment(mountNote(mount)),
    `"${mount === '' ? '/' : mount}":`,
    indented(
      comment('The Authorization header reaches the app. So does a client\'s Proxy header as HTTP_PROXY (httpoxy, CVE-2016-5385): the app\'s server drops it.'),
      'fastcgi.connect:',
      indented(app.kind === 'socket'
        ? [`port: "${app.path}"`, 'type: unix']
        : app.hosts.map(({ host, port }) => [`host: "${host}"`, `port: ${String(port)}`, 'type: tcp'])),
      comment('A response that is silent for so long is cut off, in milliseconds: let an event stream send a comment line now and then.'),
      `fastcgi.timeout.io: ${String(timeoutSeconds * 1000)}`,
    ),
  ]
}
