/** Whole answers of the memory endpoint. */
import type { ServerResponse } from 'node:http'

export interface Answer {
  type: string
  /** Where the client should store it, the name of the file. */
  file?: string
}

/** To a client that has left, nothing. */
export function send(response: ServerResponse, { type, file }: Answer, body: string | Buffer): void {
  if (response.destroyed) return
  response.statusCode = 200
  response.setHeader('Content-Type', type)
  response.setHeader('Content-Length', Buffer.byteLength(body))
  response.setHeader('Cache-Control', 'no-store')
  response.setHeader('X-Content-Type-Options', 'nosniff')
  if (file !== undefined) response.setHeader('Content-Disposition', `attachment; filename="${file}"`)
  response.end(body)
}

export function sendJson(response: ServerResponse, value: object): void {
  send(response, { type: 'application/json' }, JSON.stringify(value))
}
