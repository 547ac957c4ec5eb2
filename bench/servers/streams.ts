/** The two handlers of the memory benchmark: a long response, and an upload whose reader is paused for a while. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

const chunk = Buffer.alloc(64 * 1024, 'a')

/** GET /stream: answers as many octets as the header `X-Octets` asks for, as fast as the client reads. */
export function stream(req: IncomingMessage, res: ServerResponse): void {
  const octets = Number(req.headers['x-octets'])
  res.setHeader('Content-Type', 'application/octet-stream')
  res.setHeader('Content-Length', String(octets))
  pipeline(Readable.from(chunks(octets)), res).catch(() => undefined)
}

function* chunks(octets: number): Generator<Buffer> {
  for (let left = octets; left > 0; left -= chunk.length) yield chunk.subarray(0, left)
}

/** POST /receive: reads nothing for the milliseconds in `X-Pause`, then all, and answers the number of octets. */
export function receive(req: IncomingMessage, res: ServerResponse): void {
  let octets = 0
  setTimeout(() => {
    req.on('data', (piece: Buffer) => {
      octets += piece.length
    })
    req.on('end', () => {
      res.end(String(octets))
    })
  }, Number(req.headers['x-pause']))
}
