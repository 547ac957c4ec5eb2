/** Asks the web server's address as clients do, with a mark in each request by which the app's side recognizes it. */
import http from 'node:http'
import https from 'node:https'
import { isIP } from 'node:net'
import { MARK_HEADER, diagnosticMark, type DiagnosticCommand } from '../../server/diagnostics.js'
import type { Exchange } from './facts.js'

/** Milliseconds in which a web server can refuse an upload before its body is sent. */
const BODY_DELAY = 200

/** What is kept of the body of an error. */
const TEXT_BYTES = 300

/** One question. */
export interface Question {
  /** Unique: by it the arrival is found. */
  readonly name: string
  readonly command: DiagnosticCommand
  readonly headers?: readonly (readonly [name: string, value: string])[]
  /** In the place of the path of the address. */
  readonly path?: string
  /** The address of this machine to ask from. */
  readonly from?: string | undefined
  /** Bytes of a POST. */
  readonly bodyBytes?: number
}

/** Where and how all questions are asked. */
export interface Client {
  readonly url: URL
  /** The Host header. */
  readonly host: string
  readonly token: string
  /** Milliseconds until an answer counts as missing. */
  readonly limit: number
  /** Headers that each request has besides: those that the site needs. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  /** Lets the next piece of a stream come; says whether it was held until now. */
  readonly release: (name: string) => Promise<boolean>
}

/** Keeps its connection, as a browser does: some web servers use one connection to the app for each of a client's. */
export function createAgent(url: URL): http.Agent {
  const options = { keepAlive: true, maxSockets: 1 }
  return url.protocol === 'https:' ? new https.Agent({ ...options, rejectUnauthorized: false }) : new http.Agent(options)
}

/** Asks one question, and resolves once the answer is whole, or none is to be expected. The caller destroys the agent. */
export function ask(client: Client, question: Question, agent: http.Agent): Promise<Exchange> {
  const { url, host } = client
  const { name, command, bodyBytes = 0 } = question
  const mark = diagnosticMark(client.token, command, name)
  const target = `${question.path ?? url.pathname}?doctor=${mark}`
  const isPost = command === 'upload'
  const length = isPost ? [['Content-Type', 'application/octet-stream'], ['Content-Length', String(bodyBytes)]] : []
  return new Promise((resolve) => {
    let streamed: Promise<boolean> | undefined
    let response: http.IncomingMessage | undefined
    let clientAddress: string | undefined
    let text = ''
    const settle = (error?: string): void => {
      clearTimeout(timer)
      const { statusCode = 0, headers = {} } = response ?? {}
      const known = { name, target, host, status: statusCode, headers, error: response === undefined ? error : undefined, bodyBytes, clientAddress, text }
      resolve(Promise.resolve(streamed).then((value) => ({ ...known, streamed: value })))
    }
    const options: https.RequestOptions = {
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port: url.port,
      method: isPost ? 'POST' : 'GET',
      path: target,
      headers: [['Host', host], [MARK_HEADER, mark], ...client.headers, ...question.headers ?? [], ...length].flat(),
      agent,
      localAddress: question.from,
    }
    const serverName = host.replace(/:\d+$/, '')
    // An address is no name for SNI.
    if (isIP(serverName.replace(/^\[|\]$/g, '')) === 0) options.servername = serverName
    const request = (url.protocol === 'https:' ? https : http).request(options)
    const timer = setTimeout(() => {
      settle(`no answer within ${String(client.limit)} ms`)
      request.destroy()
    }, client.limit)
    request.on('socket', (socket) => {
      clientAddress = socket.localAddress
      socket.once('connect', () => {
        clientAddress = socket.localAddress
      })
    })
    request.on('error', (error) => {
      settle(error.message)
    })
    request.on('response', (incoming) => {
      response = incoming
      incoming.on('data', (piece: Buffer) => {
        if (incoming.statusCode !== 200 && text.length < TEXT_BYTES) text += piece.toString('latin1', 0, TEXT_BYTES)
        if (command === 'events' || command === 'stream') streamed ??= client.release(name)
      })
      incoming.on('error', () => undefined)
      incoming.on('close', settle)
    })
    send(request, bodyBytes)
  })
}

/** A web server that refuses an upload by its length answers before the body: it is sent only where no answer has come by then. */
function send(request: http.ClientRequest, bodyBytes: number): void {
  if (bodyBytes === 0) {
    request.end()
    return
  }
  request.flushHeaders()
  const timer = setTimeout(() => request.end(Buffer.alloc(bodyBytes, 'x')), BODY_DELAY)
  request.once('response', (response) => {
    clearTimeout(timer)
    if (!request.writableEnded) response.once('end', () => request.destroy())
  })
  request.once('close', () => {
    clearTimeout(timer)
  })
}
