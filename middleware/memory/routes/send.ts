/** Whole answers of the memory endpoint. */
import type { ServerResponse } from 'node:http'

export interface Answer {
  type: string
  /** Where the client should store it, the name of the file. */
  file?: string
}

export const JSON_TYPE: Answer = { type: 'application/json' }

/** To a client that has left, nothing. */
export function send(response: ServerResponse, answer: Answer, body: string | Buffer): void {
  if (response.destroyed) return
  describe(response, answer)
  response.setHeader('Content-Length', Buffer.byteLength(body))
  response.end(body)
}

/** For a HEAD, where nobody knows how long the body would be. */
export function sendHead(response: ServerResponse, answer: Answer): void {
  describe(response, answer)
  response.end()
}

function describe(response: ServerResponse, { type, file }: Answer): void {
  response.statusCode = 200
  response.setHeader('Content-Type', type)
  response.setHeader('Cache-Control', 'no-store')
  response.setHeader('X-Content-Type-Options', 'nosniff')
  if (file !== undefined) response.setHeader('Content-Disposition', `attachment; filename="${file}"`)
}

export function sendJson(response: ServerResponse, value: object): void {
  send(response, JSON_TYPE, JSON.stringify(value))
}
