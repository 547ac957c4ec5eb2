/** A site of nginx. */
import { comment, indented, print, type Line } from './lines.js'
import { addressText, mountNote, pattern, type Site } from './site.js'

/**
 * A file for nginx's conf.d.
 * @param site what is wanted
 */
export function nginxConfig(site: Site): string {
  const names = site.serverNames.length === 0 ? '_' : site.serverNames.join(' ')
  return print(
    head(site),
    '',
    hostMap(site),
    '',
    upstream(site),
    '',
    'server {',
    indented(
      comment('For HTTPS: listen 443 ssl, with ssl_certificate and ssl_certificate_key. The app hears of it by HTTPS and REQUEST_SCHEME.'),
      listen(site),
      site.serverNames.length === 0 && comment('No --server-name was given: this answers for every name that no other site on this address has, if it is the first there.'),
      `server_name ${names};`,
      '',
      comment('nginx refuses larger uploads with 413, before the app hears of them. Its default is 1m; 0 is no limit.'),
      `client_max_body_size ${String(site.bodyBytes)};`,
      comment('A long cookie, or URL: at the default of 8k it is a 400. Of several sites on one address the first one\'s value counts.'),
      'large_client_header_buffers 4 32k;',
      '',
      params(site),
      '',
      responses(site),
      '',
      locations(site),
    ),
    '}',
  )
}

function head(site: Site): Line {
  return [
    comment(`The Express app ${site.name} over FastCGI, as a site of nginx.`),
    '#',
    comment(`Install: /etc/nginx/conf.d/${site.name}.conf, then nginx -t && systemctl reload nginx.`),
    site.app.kind === 'socket' && comment('nginx\'s user (www-data on Debian) must be in the group of the socket, which has mode 0660.'),
  ]
}

/** None of nginx's own, such as $http_host and $proxy_host, whatever the site is called. Variables have no hyphens. */
function variable(site: Site): string {
  return `express_host_${site.name.replaceAll('-', '_')}`
}

function hostMap(site: Site): Line {
  const name = variable(site)
  return [
    comment('$host is the validated host without the port; $http_host is the client\'s Host header as it came. The port is kept where both name the same host.'),
    `map "$host|$http_host" $${name} {`,
    indented(
      'default $host;',
      `"~*^([^|]+)\\|\\1(?<${name}_port>:\\d+)$" $host$${name}_port;`,
    ),
    '}',
  ]
}

function upstream(site: Site): Line {
  const places = site.app.kind === 'socket' ? [`unix:${site.app.path}`] : site.app.hosts.map(addressText)
  return [
    `upstream ${site.name} {`,
    indented(
      comment('max_fails=0: else, of several lines, nginx takes one that has failed out of service for 10 seconds, though the app is back after one.'),
      places.map((place) => `server "${place}" max_fails=0;`),
      site.keepConnections && [
        comment('Idle connections that each worker process of nginx keeps to the app. A reload of the app waits for them: after 10 idle seconds (60 by default) nginx closes them.'),
        'keepalive 16;',
        'keepalive_timeout 10s;',
      ],
    ),
    '}',
  ]
}

function listen({ listen: { host, port } }: Site): Line {
  if (host !== undefined) return `listen ${addressText({ host, port })};`
  return [`listen ${String(port)};`, `listen [::]:${String(port)};`]
}

/** They reach every location that has no fastcgi_param of its own. */
function params(site: Site): Line {
  return [
    comment('What the app is told. A location that has a fastcgi_param of its own inherits none of these.'),
    'fastcgi_param REQUEST_METHOD    $request_method;',
    comment('The URL as the client sent it: percent-encodings, double slashes and the query stay as they are.'),
    'fastcgi_param REQUEST_URI       $request_uri;',
    'fastcgi_param QUERY_STRING      $query_string;',
    'fastcgi_param SCRIPT_NAME       $fastcgi_script_name;',
    'fastcgi_param CONTENT_TYPE      $content_type;',
    'fastcgi_param CONTENT_LENGTH    $content_length;',
    'fastcgi_param GATEWAY_INTERFACE CGI/1.1;',
    'fastcgi_param SERVER_PROTOCOL   $server_protocol;',
    'fastcgi_param SERVER_SOFTWARE   nginx/$nginx_version;',
    'fastcgi_param SERVER_NAME       $server_name;',
    'fastcgi_param SERVER_ADDR       $server_addr;',
    'fastcgi_param SERVER_PORT       $server_port;',
    'fastcgi_param REMOTE_ADDR       $remote_addr;',
    'fastcgi_param REMOTE_PORT       $remote_port;',
    comment('req.secure and req.protocol come from these two.'),
    'fastcgi_param REQUEST_SCHEME    $scheme;',
    'fastcgi_param HTTPS             $https if_not_empty;',
    comment('$host alone loses the port, and with it every absolute URL that the app makes.'),
    `fastcgi_param HTTP_HOST         $${variable(site)};`,
    comment('httpoxy (CVE-2016-5385): a client\'s Proxy header must not look like the environment variable.'),
    'fastcgi_param HTTP_PROXY        "";',
    comment('No REMOTE_USER: nginx takes $remote_user from the Authorization header whether or not it has asked for a password. The header itself reaches the app.'),
  ]
}

function responses(site: Site): Line {
  const kilobytes = Math.ceil(site.headBytes / 1024)
  const size = `${String(kilobytes)}k`
  const { hosts = [] } = site.app.kind === 'tcp' ? site.app : {}
  return [
    site.keepConnections && [
      comment('Without this nginx asks the app to close after each response, and `keepalive` above has no effect. With it, what the app writes also reaches the client at once.'),
      'fastcgi_keep_conn on;',
    ],
    !site.keepConnections && [
      comment('Connections are not kept, so nginx would gather a response before it sends any of it.'),
      'fastcgi_buffering off;',
    ],
    comment('The whole response head must fit into the first buffer. At the default of 4k a large cookie or a long Content-Security-Policy is a 502, "upstream sent too big header".'),
    `fastcgi_buffer_size ${size};`,
    `fastcgi_buffers 8 ${size};`,
    `fastcgi_busy_buffers_size ${String(kilobytes * 2)}k;`,
    comment('A response that is silent for so long is cut off: let an event stream send a comment line now and then. Server-sent events are not gathered: the app sends X-Accel-Buffering with them.'),
    `fastcgi_read_timeout ${String(site.timeoutSeconds)}s;`,
    `fastcgi_send_timeout ${String(site.timeoutSeconds)}s;`,
    site.app.kind === 'tcp' && [
      comment('A host that does not answer at all; the default is 60 seconds.'),
      'fastcgi_connect_timeout 2s;',
    ],
    hosts.length > 1 && [
      comment('The next host is asked where one cannot be reached, but not after a response that was silent for too long: the app may be at work on it.'),
      'fastcgi_next_upstream_timeout 10s;',
    ],
  ]
}

function locations({ name, mount, staticFiles }: Site): Line {
  const pass = `fastcgi_pass ${name};`
  return [
    staticFiles !== undefined && [
      comment('Files that nginx sends by itself. Names that begin with a dot are hidden.'),
      `location ^~ ${staticFiles.path}/ {`,
      indented(
        `alias "${staticFiles.folder}/";`,
        'location ~ /\\. {',
        indented('return 404;'),
        '}',
      ),
      '}',
      '',
    ],
    mount === ''
      ? ['location / {', indented(pass), '}']
      : [
          comment(mountNote(mount)),
          `location ~ ^${pattern(mount)}(?:/|$) {`,
          indented(pass),
          '}',
          '',
          comment('All else is not the app\'s.'),
          'location / {',
          indented('return 404;'),
          '}',
        ],
  ]
}
