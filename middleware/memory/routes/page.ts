/** The memory page and what it is made of, as routes: HTML, style sheet, script and icon. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { PAGE_HEADERS } from '../../../shared/page-headers.js'
import { ASSETS } from '../page/assets.js'
import type { Route } from '../route.js'

const FILES = [
  { path: '', file: 'page.html', type: 'text/html; charset=utf-8' },
  { path: 'page.css', file: 'page.css', type: 'text/css; charset=utf-8' },
  { path: 'page.js', file: 'page.js', type: 'text/javascript; charset=utf-8' },
  { path: 'icon.svg', file: 'icon.svg', type: 'image/svg+xml' },
] as const

/**
 * The page at '', and its files. Works below any path: the page's addresses are relative, and where it is asked for
 * without a slash at the end, the answer is a redirect, relative too, so that a proxy's prefix stays.
 */
export function pageRoutes(): Route[] {
  return FILES.map(({ path, file, type }) => {
    const content = Buffer.from(ASSETS[file])
    return {
      method: 'GET',
      path,
      expensive: false,
      handle: (request, response) => {
        const location = path === '' ? slashed(request) : undefined
        if (location !== undefined) redirect(response, location)
        else send(request, response, type, content)
      },
    }
  })
}

function send(request: IncomingMessage, response: ServerResponse, type: string, content: Buffer): void {
  response.statusCode = 200
  for (const [name, value] of Object.entries(PAGE_HEADERS)) response.setHeader(name, value)
  response.setHeader('Content-Type', type)
  response.setHeader('Content-Length', content.length)
  response.end(request.method === 'HEAD' ? undefined : content)
}

/**
 * Where the browser has to go for relative addresses to work; undefined where it is there. Express cuts the mount point
 * off `url`, and puts a slash where nothing is left: what was asked for is in `originalUrl`.
 */
export function slashed(request: IncomingMessage & { originalUrl?: unknown }): string | undefined {
  const asked = typeof request.originalUrl === 'string' ? request.originalUrl : request.url ?? '/'
  const [path = '', ...query] = asked.split('?')
  if (path.endsWith('/')) return undefined
  // With './' before it, a name with a colon is no scheme.
  const name = path.slice(path.lastIndexOf('/') + 1)
  return `./${name}/${query.length > 0 ? `?${query.join('?')}` : ''}`
}

function redirect(response: ServerResponse, location: string): void {
  response.statusCode = 307
  response.setHeader('Location', location)
  response.setHeader('Cache-Control', 'no-store')
  response.setHeader('X-Content-Type-Options', 'nosniff')
  response.setHeader('Content-Length', 0)
  response.end()
}
