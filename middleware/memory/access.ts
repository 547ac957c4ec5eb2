/**
 * Who may see the endpoint. A peer address proves nothing by itself: behind a proxy every peer is local, on a Unix socket
 * there is none, and over FastCGI it is what a web server says. So without `authorize` nobody gets in in production, and
 * elsewhere only a client on the same machine with nothing between, which no other site's page has sent.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { emitProcessWarning } from '../../shared/process-warning.js'
import type { Problem } from '../shared/problem.js'
import type { Authorize } from './options.js'
import type { Route } from './route.js'

/** Headers that a proxy leaves; those that begin with X-Forwarded- too. */
const PROXY_HEADERS = ['forwarded', 'x-real-ip', 'via']
const REMEDY = 'Say who may: memoryStats({ authorize: (request) => … }).'
const LOOPBACK_ADDRESS = /^(?:::ffff:)?127\.\d{1,3}\.\d{1,3}\.\d{1,3}$|^::1$/
const LOOPBACK_HOST = /^(?:(?:[a-z\d-]+\.)*localhost\.?|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])(?::\d*)?$/i

type Refusal = Problem & { status: 401 | 403 }

/** Who may see the endpoint, and the one warning where everybody is refused. */
export class Access {
  readonly #authorize: Authorize | undefined
  #warned = false

  constructor(authorize: Authorize | undefined) {
    this.#authorize = authorize
    if (authorize === undefined && process.env['NODE_ENV'] === 'production') this.#warn()
  }

  /** Why not; undefined: it may. `route` is undefined where there is none of that name. */
  async refusal(request: IncomingMessage, response: ServerResponse, route: Pick<Route, 'method' | 'expensive'> | undefined): Promise<Refusal | undefined> {
    const refusal = this.#authorize === undefined ? this.#refusalByDefault(request) : await refusalByAuthorize(this.#authorize, request, response)
    return refusal ?? refusalBySite(request, route)
  }

  #refusalByDefault(request: IncomingMessage): Refusal | undefined {
    if (isProduction(request)) {
      this.#warn()
      return refused(`In production nobody may see the memory endpoint until the app says who. ${REMEDY}`)
    }
    const reason = reasonNotLocal(request)
    return reason === undefined ? undefined : refused(`Only clients on the same machine may see the memory endpoint: ${reason}. ${REMEDY}`)
  }

  #warn(): void {
    if (this.#warned) return
    this.#warned = true
    emitProcessWarning('ERR_MEMORY_STATS_AUTHORIZE', `memoryStats: in production everybody is refused. ${REMEDY}`, 'MemoryStatsWarning')
  }
}

/** By the process' environment, or by what an Express app was told. */
function isProduction(request: IncomingMessage & { app?: { get?: unknown } }): boolean {
  if (process.env['NODE_ENV'] === 'production') return true
  const { app } = request
  return typeof app?.get === 'function' && Reflect.apply(app.get, app, ['env']) === 'production'
}

function refused(detail: string): Refusal {
  return { status: 403, detail }
}

async function refusalByAuthorize(authorize: Authorize, request: IncomingMessage, response: ServerResponse): Promise<Refusal | undefined> {
  const answer: unknown = await authorize(request, response)
  if (answer === true) return undefined
  return response.hasHeader('WWW-Authenticate') ? { status: 401, detail: 'Say who you are.' } : refused('You may not see the memory endpoint.')
}

function reasonNotLocal({ socket, headers, httpVersion }: IncomingMessage): string | undefined {
  // What looks like a socket and is none belongs to a web server in between.
  const address = socket instanceof Socket ? socket.remoteAddress : undefined
  if (address === undefined) return 'here the client\'s address is unknown, as on a Unix socket or over FastCGI'
  if (!LOOPBACK_ADDRESS.test(address)) return 'the client is on another one'
  const proxy = Object.keys(headers).find((name) => PROXY_HEADERS.includes(name) || name.startsWith('x-forwarded-'))
  if (proxy !== undefined) return `the request has come through a proxy, which has set ${proxy}`
  // What nginx speaks for its clients unless it is told otherwise: without a header of a proxy, and with a Host of its own making.
  if (httpVersion === '1.0') return 'the request is of HTTP/1.0, which proxies speak'
  const host = headers.host ?? headers[':authority']
  if (typeof host !== 'string' || !LOOPBACK_HOST.test(host)) return 'the Host header names another one'
  if (headers['sec-fetch-site'] === 'cross-site') return 'a page of another site has sent the request'
  return undefined
}

/**
 * Another site's page must not set off what costs something, with the cookies of somebody who may. For a POST its origin
 * must be the endpoint's own; browsers tell by Sec-Fetch-Site where the connection is secure, and by Origin always. What is
 * no browser sends neither.
 */
function refusalBySite({ headers }: IncomingMessage, route: Pick<Route, 'method' | 'expensive'> | undefined): Refusal | undefined {
  const { origin, host = '', 'sec-fetch-site': site } = headers
  if (route?.expensive === true && site === 'cross-site') return refused('A page of another site may not ask for this.')
  if (route?.method !== 'POST') return undefined
  if (site !== undefined) return site === 'same-origin' || site === 'none' ? undefined : refused('From a browser only the endpoint\'s own page may POST.')
  if (origin === undefined || (URL.canParse(origin) && new URL(origin).host === host.toLowerCase())) return undefined
  return refused(`From a browser only the endpoint's own page may POST: its Origin is not the Host, ${host}. A proxy has to pass Host on.`)
}
