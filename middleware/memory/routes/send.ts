/** Whole answers of the memory endpoint. */
import type { ServerResponse } from 'node:http'

export function send(response: ServerResponse, type: string, body: string): void {
  response.statusCode = 200
  response.setHeader('Content-Type', type)
  response.setHeader('Content-Length', Buffer.byteLength(body))
  response.end(body)
}

export function sendJson(response: ServerResponse, value: object): void {
  send(response, 'application/json', JSON.stringify(value))
}
