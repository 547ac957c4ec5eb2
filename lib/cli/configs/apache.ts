/** A site of Apache, with mod_proxy_fcgi. */
import { comment, indented, print, type Line } from './lines.js'
import { addressText, mountNote, type Site } from './site.js'

/** Ports that Debian's ports.conf opens; to open one twice is an error. */
const OPENED = new Set([80, 443])

/**
 * A file for Apache's sites-available.
 * @param site what is wanted
 */
export function apacheConfig(site: Site): string {
  const { host, port } = site.listen
  const address = addressText({ host: host ?? '*', port })
  return print(
    head(site),
    '',
    OPENED.has(port)
      ? comment(`ports.conf listens on port ${String(port)}.`)
      : `Listen ${host === undefined ? String(port) : address}`,
    '',
    `<VirtualHost ${address}>`,
    indented(
      serverNames(site),
      comment('For HTTPS: a <VirtualHost> on port 443 with these lines, and SSLEngine, SSLCertificateFile and SSLCertificateKeyFile. The app hears of it by HTTPS and REQUEST_SCHEME.'),
      '',
      comment('httpoxy (CVE-2016-5385): a client\'s Proxy header must not look like the environment variable.'),
      'RequestHeader unset Proxy early',
      '',
      comment('%2F and double slashes as the client sent them. Without the first Apache answers 404 to every URL with %2F.'),
      'AllowEncodedSlashes NoDecode',
      'MergeSlashes Off',
      '',
      comment('Apache keeps the Authorization header to itself unless told otherwise.'),
      `<Location "${site.mount === '' ? '/' : site.mount}">`,
      indented('CGIPassAuth On'),
      '</Location>',
      '',
      comment('A long cookie, or URL: at the default of 8190 it is a 400 or 414. Of several sites on one address the first one\'s values count.'),
      'LimitRequestFieldSize 32768',
      'LimitRequestLine 32768',
      '',
      site.bodyBytes > 0 && [
        comment('Larger uploads are refused, in bytes; LimitRequestBody does not hold for what is passed to an app. Apache knows no size of one in chunks: there the app\'s own limit holds.'),
        `<If "%{HTTP:Content-Length} -gt ${String(site.bodyBytes)}">`,
        indented('Redirect 413 "/"'),
        '</If>',
        '',
      ],
      comment('Apache passes Content-Length on only if told to trust it. It can be trusted: the app\'s server lets no response of another length through.'),
      'SetEnv ap_trust_cgilike_cl yes',
      '',
      staticFiles(site),
      '',
      proxy(site),
      '',
      comment('Debian compresses text (mod_deflate) and changes its ETag: the app would never find it again, and never answer 304.'),
      '<IfModule deflate_module>',
      indented('DeflateAlterETag NoChange'),
      '</IfModule>',
    ),
    '</VirtualHost>',
  )
}

function head(site: Site): Line {
  const usesAlias = site.staticFiles !== undefined || site.bodyBytes > 0
  const modules = ['proxy_fcgi', 'headers', ...(usesAlias ? ['alias'] : [])]
  return [
    comment(`The Express app ${site.name} over FastCGI, as a site of Apache (mod_proxy_fcgi).`),
    '#',
    comment(`Install: /etc/apache2/sites-available/${site.name}.conf, then a2enmod ${modules.join(' ')} && a2ensite ${site.name} && apachectl configtest && systemctl reload apache2.`),
    site.app.kind === 'socket' && comment('Apache\'s user (www-data on Debian) must be in the group of the socket, which has mode 0660.'),
  ]
}

/** A ServerName cannot be a pattern. */
function serverNames({ serverNames: names }: Site): Line {
  const first = names.find((name) => !name.startsWith('*'))
  const others = names.filter((name) => name !== first)
  return [
    names.length === 0 && comment('No --server-name was given: this answers for every name that no other site on this address has, if it is the first there.'),
    first !== undefined && `ServerName ${first}`,
    others.length > 0 && `ServerAlias ${others.join(' ')}`,
  ]
}

function staticFiles({ staticFiles: files }: Site): Line {
  if (files === undefined) return false
  return [
    comment('Files that Apache sends by itself. Names that begin with a dot are hidden.'),
    `ProxyPass "${files.path}/" "!"`,
    `Alias "${files.path}/" "${files.folder}/"`,
    `<Directory "${files.folder}">`,
    indented(
      'Options None',
      'AllowOverride None',
      'Require all granted',
    ),
    '</Directory>',
    `<LocationMatch "^${files.path.replaceAll('.', '\\.')}/(.*/)?\\.">`,
    indented('Require all denied'),
    '</LocationMatch>',
  ]
}

function proxy(site: Site): Line {
  const place = site.app.kind === 'socket'
    ? `unix:${site.app.path}|fcgi://${site.name}`
    : `fcgi://${site.app.hosts.map(addressText).join('')}`
  const settings = `enablereuse=${site.keepConnections ? 'on max=25' : 'off'} flushpackets=on connectiontimeout=5 timeout=${String(site.timeoutSeconds)}`
  return [
    comment('A line of a response head may have 8189 bytes; no directive changes that.'),
    comment('flushpackets hands on each piece of a response as the app writes it, or an event stream would wait. A response that is silent for `timeout` seconds is cut off: let an event stream send a comment line now and then.'),
    site.keepConnections
      ? comment('enablereuse keeps connections to the app; `max` times the number of Apache\'s processes is how many it may see. Apache cannot be asked to let go of one: a reload or restart of the app can cost a request, about 1 in 10,000 at light load.')
      : comment('enablereuse=off: each request has a connection of its own. Kept connections are quicker, but Apache cannot be asked to let go of one, so a reload or restart of the app could cost a request. With --keep-connections they are kept.'),
    site.mount !== '' && comment(mountNote(site.mount)),
    site.mount === '' ? `ProxyPass "/" "${place}/" ${settings}` : `ProxyPass "${site.mount}" "${place}${site.mount}" ${settings}`,
  ]
}
