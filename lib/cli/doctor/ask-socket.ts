/** Asks a socket or a port as a web server does: FCGI_GET_VALUES, then one GET request on the same connection. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { codeOf } from '../../../shared/errors.js'
import { encodePairs } from '../../fastcgi/params.js'
import { RecordReader, RecordType, Role, encodeBeginRequest, encodeRecord, encodeStream } from '../../fastcgi/record.js'
import type { AppPlace } from './app-place.js'
import type { SocketAnswer } from './facts.js'

/** The id of the request that {@link encodeGet} makes. */
export const REQUEST_ID = 1
/** Enough for the status line; the rest of an answer is not of interest. */
const HEAD_BYTES = 65536

/**
 * @param url what the request asks for
 * @param limit milliseconds until the app counts as silent
 */
export async function askSocket(place: AppPlace, url: URL, limit: number): Promise<SocketAnswer> {
  const socket = place.kind === 'socket' ? connect(place.path) : connect(place.port, place.host)
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(limit) })
  } catch (error) {
    socket.destroy()
    return { kind: 'refused', reason: codeOf(error) ?? String(error) }
  }
  const from = socket.localAddress
  try {
    return await converse(socket, url, limit, from)
  } finally {
    socket.destroy()
  }
}

function converse(socket: Socket, url: URL, limit: number, from: string | undefined): Promise<SocketAnswer> {
  return new Promise((resolve) => {
    let head = ''
    let isFirst = true
    const timer = setTimeout(() => {
      resolve({ kind: 'silent', from })
    }, limit)
    const settle = (answer: SocketAnswer): void => {
      clearTimeout(timer)
      resolve(answer)
    }
    const reader = new RecordReader({
      onBadVersion: () => {
        settle({ kind: 'foreign', from })
      },
      onRecord: (type, requestId, chunk, start, end) => {
        if (requestId !== REQUEST_ID || type !== RecordType.STDOUT) return true
        head += Buffer.from(chunk.subarray(start, end)).toString('latin1')
        if (!/\r?\n\r?\n/.test(head) && head.length < HEAD_BYTES) return true
        settle({ kind: 'fastcgi', status: Number(/^Status: *(\d{3})/im.exec(head)?.[1] ?? 200), from })
        return false
      },
    })
    socket.on('data', (chunk) => {
      if (isFirst && chunk.toString('latin1').startsWith('HTTP/')) settle({ kind: 'http', from })
      else reader.read(chunk)
      isFirst = false
    })
    socket.on('error', () => undefined)
    socket.on('close', () => {
      settle({ kind: 'closed', from })
    })
    socket.write(Buffer.concat([GET_VALUES, encodeGet(url, { asker: 'express-responder doctor', keepConnection: true })]))
  })
}

/**
 * Whether a port answers somebody who connects from an address, and asks FCGI_GET_VALUES only, of which no app hears. Undefined where
 * nobody can connect from there.
 */
export async function answersFrom(localAddress: string, host: string, port: number, limit: number): Promise<boolean | undefined> {
  const socket = connect({ host, port, localAddress })
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(limit) })
  } catch {
    socket.destroy()
    return undefined
  }
  return new Promise((resolve) => {
    const settle = (answers: boolean): void => {
      resolve(answers)
      socket.destroy()
    }
    socket.setTimeout(limit, () => {
      settle(false)
    })
    socket.on('error', () => undefined).on('close', () => {
      settle(false)
    }).on('data', () => {
      settle(true)
    })
    socket.write(GET_VALUES)
  })
}

/** A question that the adapter answers by itself: no app hears of it. */
export const GET_VALUES = encodeRecord(RecordType.GET_VALUES, 0, encodePairs([['FCGI_MPXS_CONNS', ''], ['FCGI_MAX_CONNS', ''], ['FCGI_MAX_REQS', '']]))

/** The records of a GET request, as a web server sends them. @param asker what stands for the web server, and for its client */
export function encodeGet(url: URL, { asker, keepConnection }: { readonly asker: string, readonly keepConnection: boolean }): Buffer {
  const path = url.pathname + url.search
  const params: [string, string][] = [
    ['REQUEST_METHOD', 'GET'], ['REQUEST_URI', path], ['SCRIPT_NAME', url.pathname], ['QUERY_STRING', url.search.slice(1)],
    ['SERVER_PROTOCOL', 'HTTP/1.1'], ['GATEWAY_INTERFACE', 'CGI/1.1'], ['SERVER_SOFTWARE', asker],
    ['SERVER_NAME', url.hostname], ['SERVER_PORT', url.port || '80'], ['REMOTE_ADDR', '127.0.0.1'], ['REMOTE_PORT', '1'],
    ['REQUEST_SCHEME', url.protocol.slice(0, -1)], ['HTTP_HOST', url.host], ['HTTP_USER_AGENT', asker],
  ]
  return Buffer.concat([
    encodeBeginRequest(REQUEST_ID, { role: Role.RESPONDER, keepConnection }),
    encodeStream(RecordType.PARAMS, REQUEST_ID, encodePairs(params)),
    encodeRecord(RecordType.PARAMS, REQUEST_ID),
    encodeRecord(RecordType.STDIN, REQUEST_ID),
  ])
}
