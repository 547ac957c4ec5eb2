/** An nginx behind another one, as behind a load balancer. */
import { nginx } from '../../proxies/support/servers/nginx.js'
import type { WebServer } from '../../proxies/support/web-server.js'

interface Proxied {
  /** In the location of the one in front. */
  readonly bind?: string
  /** What follows its `listen` and the address. */
  readonly listen?: string
  /** Changes the example. */
  readonly edit?: (text: string) => string
  readonly encrypted?: boolean
}

/** What lets nginx take the client's address from the proxy that set_real_ip_from names. */
export const REAL_IP = 'real_ip_header X-Forwarded-For; real_ip_recursive on;'

/**
 * nginx before nginx: the one in front takes the connections, and asks the one with the app at another address of the machine.
 *
 * @param settings of the one with the app
 */
export function behindProxy(settings: string, { bind = '', listen = ';', edit = (text) => text, encrypted = false }: Proxied = {}): WebServer {
  const front = `server {
    listen 127.0.0.1:8080${listen} client_max_body_size 16m; underscores_in_headers on;
    location / {
      proxy_pass http://127.0.0.9:8080; ${bind} proxy_http_version 1.1; proxy_buffering off; proxy_buffer_size 64k; proxy_busy_buffers_size 64k; proxy_buffers 8 64k;
      proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme;
    }
  }`
  const back = (text: string): string => edit(text).replace(/listen 127\.0\.0\.1:8080;/, `listen 127.0.0.9:8080; ${settings}`)
  return nginx('nginx', 'nginx/app.conf', { encrypted, edit: (text) => `${back(text)}\n${front}` })
}
