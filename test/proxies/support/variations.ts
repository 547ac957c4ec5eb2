/** The examples with what they say an operator may add, or take away the # of. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { apache } from './servers/apache.js'
import { caddy } from './servers/caddy.js'
import { haproxy } from './servers/haproxy.js'
import { lighttpd } from './servers/lighttpd.js'
import { nginx } from './servers/nginx.js'
import type { WebServer } from './web-server.js'
import { USER } from './user.js'
import { PACKAGE_ROOT } from './workspace.js'

/** nginx's app.conf with the whole of locations.conf in its server block. */
export const withLocations = nginx('nginx with locations.conf', 'nginx/app.conf', {
  edit: (text) => text.replace(/^}\n*$(?![^]*^})/m, `${readFileSync(join(PACKAGE_ROOT, 'examples/nginx/locations.conf'), 'utf8')}}\n`),
})

/** Takes away the # of a block of lines: those from the first that `begin` matches, as long as a # without a space is first. */
function turnedOn(text: string, begin: RegExp): string {
  const lines = text.split('\n')
  const isOff = /^ *#(?=[^ #]| {2})/
  for (let index = lines.findIndex((line) => begin.test(line)); isOff.test(lines[index] ?? ''); index++) {
    lines[index] = (lines[index] ?? '').replace('#', '')
  }
  return lines.join('\n')
}

/** The examples with a password before /admin, as each of them says how to have it. */
export const withPassword: readonly WebServer[] = [
  withLocations,
  apache({ name: 'Apache', example: 'apache/app.conf', modules: ['proxy', 'proxy_fcgi'], edit: (text) => turnedOn(text, /#<If/) }),
  apache({
    name: 'mod_fcgid',
    example: 'mod_fcgid/app.conf',
    package: 'libapache2-mod-fcgid',
    modules: ['fcgid'],
    startsApp: true,
    edit: (text) => turnedOn(text, /#<If/),
  }),
  apache({
    name: 'cgi-fcgi',
    example: 'cgi-fcgi/apache.conf',
    package: 'libfcgi-bin',
    modules: ['cgid'],
    files: { 'cgi-fcgi/app.cgi': 'srv/app.cgi' },
    edit: (text) => turnedOn(text, /#<If/),
  }),
  lighttpd('lighttpd', 'lighttpd/app.conf', { edit: (text) => turnedOn(text, /#server\.http-parseopts/) }),
  caddy('Caddy', 'caddy/Caddyfile', { edit: (text) => turnedOn(text, /#@admin/) }),
  haproxy('HAProxy', 'haproxy/haproxy.cfg', {
    edit: (text) =>
      [/#acl admin/, /#acl admin/, /#userlist/]
        .reduce(turnedOn, text)
        .replace(/user alice password .*/, `user ${USER.name} insecure-password ${USER.password}`),
  }),
]
