/** A request as logs see it: what is known of it when it begins, and when it is over. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { RequestSocket } from '../server/request-socket.js'

/** What is measured for each request beside its time. */
export interface Measures {
  /** The process' CPU time. */
  readonly cpu: boolean
  /** The time in which the event loop was busy. */
  readonly loop: boolean
}

/** A request from its beginning. */
export class LoggedRequest {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** ms since 1970. */
  readonly time = Date.now()
  /** ms of `performance.now()`. */
  readonly startedAt = performance.now()
  readonly cpu: number
  readonly loop: number
  /** Whether the slow log has told of it. */
  slow = false

  constructor(request: IncomingMessage, response: ServerResponse, { cpu, loop }: Measures) {
    this.request = request
    this.response = response
    this.cpu = cpu ? cpuTime() : 0
    this.loop = loop ? loopTime() : 0
  }

  /** Its status; 499, as nginx has it, where the client left before there was an answer. */
  get status(): number {
    const { response } = this
    return response.headersSent || response.writableFinished ? response.statusCode : 499
  }

  /** Whether the whole answer has left. */
  get isComplete(): boolean {
    return this.response.writableFinished
  }

  /** Bytes of the body that were sent; undefined where nobody knows. */
  get bodyBytes(): number | undefined {
    const socket: unknown = this.request.socket
    if (socket instanceof RequestSocket) return socket.bytesWritten
    if (this.request.method === 'HEAD' || this.status === 304 || this.status === 204) return 0
    const length = Number(this.response.getHeader('content-length') ?? NaN)
    return Number.isFinite(length) ? length : undefined
  }

  /** What the client asked for: Express changes `url`. */
  get url(): string {
    const { originalUrl } = this.request as { originalUrl?: unknown }
    return typeof originalUrl === 'string' ? originalUrl : this.request.url ?? ''
  }

  get protocol(): string {
    return this.param('SERVER_PROTOCOL') ?? `HTTP/${this.request.httpVersion}`
  }

  /** The pattern of Express's route behind the path that its router is mounted on; '' where none has matched yet. */
  get route(): string {
    const { route, baseUrl } = this.request as { route?: { path?: unknown }; baseUrl?: unknown }
    if (route?.path === undefined) return ''
    const pattern = [route.path].flat().map(String).join(',')
    return `${typeof baseUrl === 'string' ? baseUrl : ''}${pattern}`
  }

  /** A FastCGI param, a character a byte; undefined where it was not sent. */
  param(name: string): string | undefined {
    const socket: unknown = this.request.socket
    return socket instanceof RequestSocket ? socket.params.get(name) : undefined
  }

  /** A header of the request. */
  header(name: string): string | undefined {
    const value = this.request.headers[name]
    return Array.isArray(value) ? value.join(', ') : value
  }

  /** A header of the response. */
  sentHeader(name: string): string | undefined {
    const value = this.response.getHeader(name)
    return value === undefined ? undefined : String(value)
  }
}

/** CPU time of the process, in microseconds. */
export function cpuTime(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}

/** Milliseconds in which the event loop was busy since the process began. */
export function loopTime(): number {
  return performance.eventLoopUtilization().active
}
