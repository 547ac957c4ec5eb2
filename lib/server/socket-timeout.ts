/** `setTimeout()` of a request's socket, with what Node's HTTP server does when the time is over. */
import type { EventEmitter } from 'node:events'
import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import type { InternalRequest, InternalResponse } from '../http/node-internals.js'

/** The socket whose timeout it is. */
export interface TimedSocket extends EventEmitter {
  readonly server: Server
  readonly request: InternalRequest | undefined
  readonly _httpMessage: InternalResponse | null
  destroy(): unknown
}

/** Emits 'timeout' after a time without reading or writing. */
export class SocketTimeout {
  readonly #socket: TimedSocket
  #timer: NodeJS.Timeout | undefined

  constructor(socket: TimedSocket) {
    this.#socket = socket
  }

  /** Starts again. `milliseconds`: the time; 0 for none. */
  start(milliseconds: number): void {
    this.stop()
    if (!(milliseconds > 0)) return
    this.#timer = setTimeout(() => {
      this.#onTimeout()
    }, milliseconds)
    this.#timer.unref()
  }

  /** Something was read or written. */
  refresh(): void {
    this.#timer?.refresh()
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  /** As in Node's HTTP server: listeners of 'timeout' decide; without one, the socket is destroyed. */
  #onTimeout(): void {
    this.#socket.emit('timeout')
    const { request, _httpMessage: response, server } = this.#socket
    const socket = this.#socket as unknown as Socket
    const heardByRequest = request !== undefined && !request.complete && request.emit('timeout', socket)
    const heardByResponse = response?.emit('timeout', socket) ?? false
    const heardByServer = server.emit('timeout', socket)
    if (!heardByRequest && !heardByResponse && !heardByServer) this.#socket.destroy()
  }
}
