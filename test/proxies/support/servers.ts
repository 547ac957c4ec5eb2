/** Every web server that the tests know, each with the configuration that an operator would start from. */
import { apache } from './servers/apache.js'
import { caddy } from './servers/caddy.js'
import { h2o } from './servers/h2o.js'
import { haproxy } from './servers/haproxy.js'
import { lighttpd } from './servers/lighttpd.js'
import { nginx } from './servers/nginx.js'
import { spawnFcgi } from './servers/spawn-fcgi.js'
import type { WebServer } from './web-server.js'

export const servers = {
  nginx: nginx('nginx', 'nginx/app.conf'),
  nginxMinimal: nginx('nginx without keep-conn', 'nginx/minimal.conf'),
  nginxStreaming: nginx('nginx without buffering', 'nginx/streaming.conf'),
  nginxCache: nginx('nginx with fastcgi_cache', 'nginx/cache.conf'),
  apache: apache({ name: 'Apache', example: 'apache/app.conf', modules: ['proxy', 'proxy_fcgi'] }),
  apacheMinimal: apache({ name: 'Apache without enablereuse', example: 'apache/minimal.conf', modules: ['proxy', 'proxy_fcgi'] }),
  modFcgid: apache({
    name: 'mod_fcgid',
    example: 'mod_fcgid/app.conf',
    package: 'libapache2-mod-fcgid',
    modules: ['fcgid'],
    startsApp: true,
  }),
  cgiFcgi: apache({
    name: 'cgi-fcgi',
    example: 'cgi-fcgi/apache.conf',
    package: 'libfcgi-bin',
    modules: ['cgid'],
    files: { 'cgi-fcgi/app.cgi': 'srv/app.cgi' },
  }),
  lighttpd: lighttpd('lighttpd', 'lighttpd/app.conf'),
  lighttpdSpawn: lighttpd('lighttpd starting the app', 'lighttpd/spawn.conf', { startsApp: true }),
  caddy: caddy('Caddy', 'caddy/Caddyfile'),
  haproxy: haproxy('HAProxy', 'haproxy/haproxy.cfg'),
  haproxyMultiplexed: haproxy('HAProxy, multiplexed', 'haproxy/multiplexed.cfg'),
  h2o: h2o('h2o', 'h2o/h2o.conf'),
  spawnFcgi: spawnFcgi('spawn-fcgi', 'spawn-fcgi/start.sh', nginx('nginx', 'nginx/minimal.conf')),
} satisfies Record<string, WebServer>

/** Those that ask an app in the role of Authorizer. */
export const authorizers = {
  lighttpd: lighttpd('lighttpd', 'lighttpd/authorizer.conf'),
  apache: apache({ name: 'Apache', example: 'apache/authorizer.conf', modules: ['authnz_fcgi'], appOn: 'port' }),
} satisfies Record<string, WebServer>

/** One of the servers' keys. */
export type ServerKey = keyof typeof servers
