/**
 * `/livez` and `/readyz`, answered before the app: whether the process lives, and whether it should be sent requests. A balancer asks
 * `/readyz?exclude=capped`: a host that turns requests away for a moment would be taken out, and the others be full next.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { readStatusSources } from '../../shared/status-sources.js'
import { send } from './status-path.js'

/** In the query of a URL. */
export const EXCLUDES_CAPPED = /[?&]exclude=capped(?:&|$)/

/** The probes of a worker. */
export interface Probes {
  /** Answers a probe; false for every other request, which is the app's. */
  readonly handle: (request: IncomingMessage, response: ServerResponse) => boolean
  /** Probes that were answered: recycling leaves them out. */
  readonly count: number
}

const HEADERS = { 'Content-Type': 'text/plain; charset=utf-8', 'Cache-Control': 'no-store' } as const

/**
 * @param state of the program, not of the worker: while a reload replaces the worker, others are ready, and a probe that came on a
 *   kept connection must not say otherwise
 */
export function createProbes(state: () => 'starting' | 'ready' | 'draining'): Probes {
  let count = 0
  return {
    get count() {
      return count
    },
    handle(request, response) {
      const { url = '', method } = request
      // Cheap for all that is no probe: the letter after the slash.
      const letter = url.charCodeAt(1)
      if (letter !== 0x6c && letter !== 0x72) return false
      const isReadiness = isAt(url, '/readyz')
      if ((!isReadiness && !isAt(url, '/livez')) || (method !== 'GET' && method !== 'HEAD')) return false
      count++
      const reason = isReadiness ? reasonAgainst(state(), EXCLUDES_CAPPED.test(url)) : undefined
      send(request, response, reason === undefined ? { status: 200, headers: HEADERS, body: 'ok\n' } : { status: 503, headers: HEADERS, body: `${reason}\n` })
      return true
    },
  }
}

function isAt(url: string, path: string): boolean {
  return url === path || url.startsWith(`${path}?`)
}

function reasonAgainst(state: 'starting' | 'ready' | 'draining', excludesCapped: boolean): string | undefined {
  if (state !== 'ready') return state
  if (excludesCapped) return undefined
  const caps = readStatusSources()['concurrencyLimit'] ?? []
  return caps.some((cap) => typeof cap === 'object' && cap !== null && 'full' in cap && cap.full === true) ? 'capped' : undefined
}
