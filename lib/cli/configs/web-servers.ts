/** Every web server that a configuration can be printed for, with what it can do. */
import { apacheConfig } from './apache.js'
import { caddyConfig } from './caddy.js'
import { h2oConfig } from './h2o.js'
import { haproxyConfig } from './haproxy.js'
import { lighttpdConfig } from './lighttpd.js'
import { nginxConfig } from './nginx.js'
import type { Abilities, SiteOptions } from './options.js'
import type { Site } from './site.js'

/** One web server. */
export interface ConfigurableServer extends Abilities {
  /** As people write it. */
  readonly title: string
  /** Where the text belongs. */
  readonly target: string
  /** The options that mean something to it, beside those that all have. */
  readonly options: readonly (keyof SiteOptions)[]
  /** The text for a site. */
  readonly print: (site: Site) => string
}

/** The web servers, by the word for each on the command line. */
export const CONFIGURABLE_SERVERS = {
  nginx: {
    title: 'nginx',
    target: 'a file for /etc/nginx/conf.d',
    severalHosts: true,
    // The app can ask nginx to let go of them: nothing is lost.
    keepsByDefault: true,
    options: ['static', 'staticPath', 'headSize', 'timeout', 'keepConnections'],
    print: nginxConfig,
  },
  apache: {
    title: 'Apache (mod_proxy_fcgi)',
    target: 'a file for /etc/apache2/sites-available',
    severalHosts: false,
    // Apache cannot be asked.
    keepsByDefault: false,
    options: ['static', 'staticPath', 'timeout', 'keepConnections'],
    print: apacheConfig,
  },
  lighttpd: {
    title: 'lighttpd',
    target: 'a file for /etc/lighttpd/conf-available',
    severalHosts: true,
    keepsByDefault: false,
    options: ['static', 'staticPath', 'timeout'],
    print: lighttpdConfig,
  },
  caddy: {
    title: 'Caddy',
    target: 'a Caddyfile',
    severalHosts: true,
    keepsByDefault: false,
    // No timeout: its read_timeout is for a whole response. No health: over FastCGI Caddy 2.6 never asks.
    options: ['static', 'staticPath'],
    print: caddyConfig,
  },
  haproxy: {
    title: 'HAProxy',
    target: 'sections for haproxy.cfg',
    severalHosts: true,
    keepsByDefault: true,
    options: ['headSize', 'timeout', 'keepConnections', 'health'],
    print: haproxyConfig,
  },
  h2o: {
    title: 'h2o',
    target: 'lines for h2o.conf',
    severalHosts: false,
    keepsByDefault: false,
    options: ['static', 'staticPath', 'timeout'],
    print: h2oConfig,
  },
} as const satisfies Record<string, ConfigurableServer>
