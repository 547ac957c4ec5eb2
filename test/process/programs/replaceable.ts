/**
 * An app that takes the socket argv[2] over from the process before it. It answers each request with its method and the
 * octets of its body, /slow after 300 ms, and tells on standard output: `listening`, `ran METHOD URL`.
 */
import { serve } from 'express-responder'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'

async function app(request: IncomingMessage, response: ServerResponse): Promise<void> {
  let length = 0
  for await (const chunk of request as AsyncIterable<Buffer>) length += chunk.length
  if (request.url === '/slow') await delay(300)
  response.setHeader('Content-Type', 'text/plain')
  response.setHeader('X-Process', process.pid)
  response.end(`${String(request.method)} ${String(length)} ${'.'.repeat(2000)}`)
}

await serve((request, response) => {
  app(request, response).catch(() => response.destroy())
}, { socket: process.argv[2], mode: 0o666, replace: true })
console.log('listening')
