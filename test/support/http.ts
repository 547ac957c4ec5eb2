/** Plain HTTP from tests: whole responses, broken-off ones too, and raw bytes. */
import { once } from 'node:events'
import http from 'node:http'
import net, { type AddressInfo } from 'node:net'

/** A response as far as it came. */
export interface HttpResponse {
  status: number
  statusMessage: string
  headers: http.IncomingHttpHeaders
  rawHeaders: string[]
  body: Buffer
  /** Whether it was whole; where not, the connection broke off. */
  complete: boolean
}

/** What {@link fetchFrom} sends. */
export interface HttpRequest extends http.RequestOptions {
  /** Pieces of the body, each one write; without Content-Length they are chunks. */
  body?: (string | Uint8Array)[]
}

/** Makes a server listen on a free port of 127.0.0.1. */
export async function listen<T extends net.Server>(server: T): Promise<T> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

/** Closes a server and waits for it. */
export async function close(server: net.Server): Promise<void> {
  if (!server.listening) return
  const closed = once(server, 'close')
  server.close()
  await closed
}

/** The port that a server listens on. */
export function portOf(server: net.Server): number {
  return (server.address() as AddressInfo).port
}

/** Sends one request on a connection of its own; rejects where no head comes. */
export async function fetchFrom(server: net.Server, request: HttpRequest = {}): Promise<HttpResponse> {
  const { body = [], ...options } = request
  const req = http.request({ host: '127.0.0.1', port: portOf(server), agent: false, ...options })
  // What a write fails with is told by the response, or by the error that `response` rejects with.
  const response = new Promise<http.IncomingMessage>((resolve, reject) => {
    req.on('response', resolve)
    req.on('error', reject)
  })
  for (const piece of body) req.write(piece)
  req.end()
  return readResponse(await response)
}

/** Reads a response to its end, be it whole or broken off. */
export async function readResponse(response: http.IncomingMessage): Promise<HttpResponse> {
  const chunks: Buffer[] = []
  await new Promise<void>((resolve) => {
    response.on('data', (chunk: Buffer) => chunks.push(chunk))
    response.on('error', () => undefined)
    response.on('close', resolve)
  })
  const { statusCode = 0, statusMessage = '', headers, rawHeaders, complete } = response
  return { status: statusCode, statusMessage, headers, rawHeaders, body: Buffer.concat(chunks), complete }
}

/** Sends bytes as they are and reads until the server closes. */
export async function exchangeRaw(server: net.Server, bytes: string | Uint8Array): Promise<string> {
  const socket = net.connect({ host: '127.0.0.1', port: portOf(server) })
  const chunks: Buffer[] = []
  socket.on('data', (chunk) => chunks.push(chunk))
  socket.on('error', () => undefined)
  socket.write(bytes)
  await once(socket, 'close')
  return Buffer.concat(chunks).toString('latin1')
}
