/** `POST /settle`: the settle check on request, as JSON, or as text where the client would rather have that. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { sendProblem } from '../../shared/problem.js'
import type { MemoryWatch } from '../watch.js'
import { settleText } from './words.js'

/**
 * A handler for the one path; who may ask is checked before. The answer says that a collection was forced, and for how long.
 * Text: `?format=text`, or an Accept header that names text/plain and not JSON.
 */
export function settleRoute(watch: MemoryWatch): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  return async function settleHandler(request, response) {
    if (request.method !== 'POST') {
      sendProblem(request, response, { status: 405, detail: 'A settle check forces a collection: use POST.' }, { Allow: 'POST' })
      return
    }
    const report = await watch.settle('request')
    const text = wantsText(request)
    const body = text ? settleText(report) : JSON.stringify(report)
    response.statusCode = 200
    response.setHeader('Content-Type', text ? 'text/plain; charset=utf-8' : 'application/json')
    response.setHeader('Content-Length', Buffer.byteLength(body))
    response.setHeader('Cache-Control', 'no-store')
    response.setHeader('X-Content-Type-Options', 'nosniff')
    response.end(body)
  }
}

function wantsText({ url = '', headers: { accept = '' } }: IncomingMessage): boolean {
  const format = new URLSearchParams(url.split('?')[1]).get('format')
  return format === null ? accept.includes('text/plain') && !accept.includes('json') : format === 'text'
}
