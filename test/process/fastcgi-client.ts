/** A small FastCGI client: it sends requests on one connection and tells a whole answer from a broken one. */
import { once } from 'node:events'
import { connect, type NetConnectOpts, type Socket } from 'node:net'
import { encodePairs } from '../../lib/fastcgi/params.js'
import { RecordReader, RecordType, Role, encodeBeginRequest, encodeRecord } from '../../lib/fastcgi/record.js'

interface Waiting {
  readonly chunks: Buffer[]
  readonly resolve: (answer: string) => void
  readonly reject: (error: Error) => void
}

export class FastCgiClient {
  readonly socket: Socket
  /** Resolves when the connection is gone. */
  readonly closed: Promise<void>
  readonly #waiting = new Map<number, Waiting>()

  private constructor(socket: Socket) {
    this.socket = socket
    const reader = new RecordReader({
      onRecord: (type, requestId, chunk, start, end) => {
        this.#onRecord(type, requestId, Buffer.from(chunk.subarray(start, end)))
        return true
      },
      onBadVersion: (version) => socket.destroy(new Error(`record of version ${String(version)}`)),
    })
    socket.on('data', (chunk: Buffer) => {
      reader.read(chunk)
    })
    socket.on('error', () => undefined)
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        for (const { reject } of this.#waiting.values()) reject(new Error('the connection was closed'))
        resolve()
      })
    })
  }

  /** A client that has connected. */
  static async connect(options: NetConnectOpts): Promise<FastCgiClient> {
    const socket = connect(options)
    await once(socket, 'connect')
    return new FastCgiClient(socket)
  }

  /** Sends GET `url` and resolves with all of STDOUT at END_REQUEST; rejects if the connection ends before. */
  get(url: string, requestId = 1, keepConnection = true): Promise<string> {
    const answer = this.expect(requestId)
    this.socket.write(Buffer.concat([
      encodeBeginRequest(requestId, { role: Role.RESPONDER, keepConnection }),
      encodeRecord(RecordType.PARAMS, requestId, encodePairs([
        ['REQUEST_METHOD', 'GET'], ['REQUEST_URI', url], ['SERVER_PROTOCOL', 'HTTP/1.1'], ['HTTP_HOST', 'test'],
      ])),
      encodeRecord(RecordType.PARAMS, requestId),
      encodeRecord(RecordType.STDIN, requestId),
    ]))
    return answer
  }

  /** As `get`, for a request that the caller sends. */
  expect(requestId: number): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#waiting.set(requestId, { chunks: [], resolve, reject })
    })
  }

  #onRecord(type: number, requestId: number, content: Buffer): void {
    const waiting = this.#waiting.get(requestId)
    if (waiting === undefined) return
    if (type === RecordType.STDOUT) waiting.chunks.push(content)
    if (type !== RecordType.END_REQUEST) return
    this.#waiting.delete(requestId)
    waiting.resolve(Buffer.concat(waiting.chunks).toString('latin1'))
  }
}
