/** The public state of a request, a response and their socket, as plain values that can be compared. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { codeOf } from './journal.js'

export function requestState(req: IncomingMessage): Record<string, unknown> {
  return {
    complete: req.complete,
    aborted: Reflect.get(req, 'aborted'),
    readable: req.readable,
    readableEnded: req.readableEnded,
    readableAborted: req.readableAborted,
    destroyed: req.destroyed,
    closed: req.closed,
    errored: codeOf(req.errored) ?? req.errored,
  }
}

export function responseState(res: ServerResponse): Record<string, unknown> {
  return {
    headersSent: res.headersSent,
    statusCode: res.statusCode,
    writable: res.writable,
    writableEnded: res.writableEnded,
    writableFinished: res.writableFinished,
    finished: Reflect.get(res, 'finished'),
    writableNeedDrain: res.writableNeedDrain,
    // How much it is depends on the framing.
    writableLength: res.writableLength > 0,
    writableCorked: res.writableCorked,
    destroyed: res.destroyed,
    closed: res.closed,
    errored: codeOf(res.errored) ?? res.errored,
    socket: res.socket === null ? null : 'there',
  }
}

/** What a request's socket says of itself. */
export function socketState(req: IncomingMessage): Record<string, unknown> {
  const { socket } = req
  return {
    destroyed: socket.destroyed,
    readable: socket.readable,
    writable: socket.writable,
    writableEnded: socket.writableEnded,
    remoteAddress: socket.remoteAddress,
  }
}
