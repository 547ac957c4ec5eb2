/** Asks a socket as a web server does: FCGI_GET_VALUES, then one GET request on the same connection. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { codeOf } from '../../../shared/errors.js'
import { encodePairs } from '../../fastcgi/params.js'
import { RecordReader, RecordType, Role, encodeBeginRequest, encodeRecord, encodeStream } from '../../fastcgi/record.js'
import type { SocketAnswer } from './facts.js'

const REQUEST_ID = 1
/** Enough for the status line; the rest of an answer is not of interest. */
const HEAD_BYTES = 65536

/**
 * @param target the path of a Unix socket
 * @param url what the request asks for
 * @param limit milliseconds until the app counts as silent
 */
export async function askSocket(target: string, url: URL, limit: number): Promise<SocketAnswer> {
  const socket = connect(target)
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(limit) })
  } catch (error) {
    socket.destroy()
    return { kind: 'refused', reason: codeOf(error) ?? String(error) }
  }
  try {
    return await converse(socket, url, limit)
  } finally {
    socket.destroy()
  }
}

function converse(socket: Socket, url: URL, limit: number): Promise<SocketAnswer> {
  return new Promise((resolve) => {
    let head = ''
    let isFirst = true
    const timer = setTimeout(() => {
      resolve({ kind: 'silent' })
    }, limit)
    const settle = (answer: SocketAnswer): void => {
      clearTimeout(timer)
      resolve(answer)
    }
    const reader = new RecordReader({
      onBadVersion: () => {
        settle({ kind: 'closed' })
      },
      onRecord: (type, requestId, chunk, start, end) => {
        if (requestId !== REQUEST_ID || type !== RecordType.STDOUT) return true
        head += Buffer.from(chunk.subarray(start, end)).toString('latin1')
        if (!/\r?\n\r?\n/.test(head) && head.length < HEAD_BYTES) return true
        settle({ kind: 'fastcgi', status: Number(/^Status: *(\d{3})/im.exec(head)?.[1] ?? 200) })
        return false
      },
    })
    socket.on('data', (chunk) => {
      if (isFirst && chunk.toString('latin1').startsWith('HTTP/')) settle({ kind: 'http' })
      else reader.read(chunk)
      isFirst = false
    })
    socket.on('error', () => undefined)
    socket.on('close', () => {
      settle({ kind: 'closed' })
    })
    socket.write(request(url))
  })
}

/** The bytes of both questions. */
function request(url: URL): Buffer {
  const path = url.pathname + url.search
  const params: [string, string][] = [
    ['REQUEST_METHOD', 'GET'], ['REQUEST_URI', path], ['SCRIPT_NAME', url.pathname], ['QUERY_STRING', url.search.slice(1)],
    ['SERVER_PROTOCOL', 'HTTP/1.1'], ['GATEWAY_INTERFACE', 'CGI/1.1'], ['SERVER_SOFTWARE', 'express-responder doctor'],
    ['SERVER_NAME', url.hostname], ['SERVER_PORT', url.port || '80'], ['REMOTE_ADDR', '127.0.0.1'], ['REMOTE_PORT', '1'],
    ['REQUEST_SCHEME', url.protocol.slice(0, -1)], ['HTTP_HOST', url.host], ['HTTP_USER_AGENT', 'express-responder doctor'],
  ]
  return Buffer.concat([
    encodeRecord(RecordType.GET_VALUES, 0, encodePairs([['FCGI_MPXS_CONNS', ''], ['FCGI_MAX_CONNS', ''], ['FCGI_MAX_REQS', '']])),
    encodeBeginRequest(REQUEST_ID, { role: Role.RESPONDER, keepConnection: true }),
    encodeStream(RecordType.PARAMS, REQUEST_ID, encodePairs(params)),
    encodeRecord(RecordType.PARAMS, REQUEST_ID),
    encodeRecord(RecordType.STDIN, REQUEST_ID),
  ])
}
