/**
 * A FastCGI application that does what a test's script says, right or wrong: how misbehaving applications are
 * simulated. It listens on a Unix socket in a fresh directory.
 */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodePairs } from '../../lib/fastcgi/params.js'
import {
  decodeBeginRequest,
  encodeEndRequest,
  encodeRecord,
  encodeStream,
  RecordReader,
  RecordType,
} from '../../lib/fastcgi/record.js'

/** One request as it came, handed to the script once its PARAMS are whole. */
export class ScriptedRequest {
  readonly connection: ScriptedConnection
  readonly requestId: number
  readonly role: number
  readonly keepConnection: boolean
  /** Every pair in order. */
  pairs: [name: string, value: string][] = []
  /** The pairs as an object; of repeated names the last. */
  params: Record<string, string | undefined> = {}
  readonly paramsChunks: Buffer[] = []
  /** STDIN as far as it has come. */
  readonly chunks: Buffer[] = []
  stdinEnded = false
  aborted = false

  constructor(connection: ScriptedConnection, requestId: number, role: number, keepConnection: boolean) {
    this.connection = connection
    this.requestId = requestId
    this.role = role
    this.keepConnection = keepConnection
  }

  /** Reads what has come of PARAMS. */
  readParams(): void {
    this.pairs = decodePairs(Buffer.concat(this.paramsChunks)) ?? []
    this.params = Object.fromEntries(this.pairs)
  }

  /** STDIN, once it is whole. */
  async body(): Promise<Buffer> {
    await this.connection.until(() => this.stdinEnded)
    return Buffer.concat(this.chunks)
  }

  /** Waits for ABORT_REQUEST. */
  async whenAborted(): Promise<void> {
    await this.connection.until(() => this.aborted)
  }

  /** STDOUT records, unended. */
  stdout(content: string | Uint8Array): Buffer {
    return encodeStream(RecordType.STDOUT, this.requestId, Buffer.from(content))
  }

  /** The empty STDOUT and END_REQUEST. */
  end({ appStatus = 0, protocolStatus = 0 } = {}): Buffer {
    return Buffer.concat([
      encodeRecord(RecordType.STDOUT, this.requestId),
      encodeEndRequest(this.requestId, { appStatus, protocolStatus }),
    ])
  }

  /** Sends a whole response, as a proper application would. */
  reply(head: string, body: string | Uint8Array = ''): void {
    const stdout = Buffer.concat([Buffer.from(`${head}\r\n\r\n`, 'latin1'), Buffer.from(body)])
    this.connection.socket.write(Buffer.concat([this.stdout(stdout), this.end()]))
    if (!this.keepConnection) this.connection.socket.end()
  }

  /** Sends bytes as they are. */
  send(...parts: Uint8Array[]): void {
    this.connection.socket.write(Buffer.concat(parts))
  }
}

/** One connection of the web server. */
export class ScriptedConnection {
  readonly socket: net.Socket
  readonly requests: ScriptedRequest[] = []
  /** Whether the web server's FIN has come. */
  ended = false
  closed = false
  #waiters: { test: () => boolean; resolve: () => void }[] = []

  constructor(socket: net.Socket, script: (request: ScriptedRequest) => unknown) {
    this.socket = socket
    const reader = new RecordReader({
      onBadVersion: () => socket.destroy(),
      onRecord: (type, requestId, chunk, start, end, more) => {
        this.#take(type, requestId, Buffer.from(chunk.subarray(start, end)), more, script)
        return true
      },
    })
    socket.on('data', (chunk) => {
      reader.read(chunk)
      this.#wake()
    })
    socket.on('end', () => {
      this.ended = true
      this.#wake()
    })
    socket.on('error', () => undefined)
    socket.on('close', () => {
      this.ended = true
      this.closed = true
      this.#wake()
    })
  }

  /** Waits until `test`, asked after every read and at the end, holds, or the connection is gone. */
  async until(test: () => boolean): Promise<void> {
    if (test() || this.closed) return
    await new Promise<void>((resolve) => {
      this.#waiters.push({ test, resolve })
    })
  }

  /** Waits until the connection is gone. */
  async whenClosed(): Promise<void> {
    await this.until(() => this.closed)
  }

  #take(type: number, requestId: number, content: Buffer, more: boolean, script: (request: ScriptedRequest) => unknown): void {
    if (type === RecordType.BEGIN_REQUEST) {
      const begin = decodeBeginRequest(content)
      this.requests.push(new ScriptedRequest(this, requestId, begin?.role ?? 0, begin?.keepConnection ?? false))
    }
    const request = this.requests.at(-1)
    if (request === undefined) return
    const streamEnds = content.length === 0 && !more
    if (type === RecordType.PARAMS && streamEnds) {
      request.readParams()
      script(request)
    } else if (type === RecordType.PARAMS) request.paramsChunks.push(content)
    else if (type === RecordType.STDIN && streamEnds) request.stdinEnded = true
    else if (type === RecordType.STDIN) request.chunks.push(content)
    else if (type === RecordType.ABORT_REQUEST) request.aborted = true
  }

  #wake(): void {
    this.#waiters = this.#waiters.filter(({ test, resolve }) => {
      if (!test() && !this.closed) return true
      resolve()
      return false
    })
  }
}

export class ScriptedApplication {
  readonly path: string
  readonly connections: ScriptedConnection[] = []
  readonly #directory: string
  readonly #server: net.Server

  /** Starts an application that calls `script` for each request. */
  static async start(script: (request: ScriptedRequest) => unknown): Promise<ScriptedApplication> {
    const application = new ScriptedApplication(script)
    await once(application.#server, 'listening')
    return application
  }

  private constructor(script: (request: ScriptedRequest) => unknown) {
    this.#directory = mkdtempSync(join(tmpdir(), 'fcgi-test-'))
    this.path = join(this.#directory, 'app.sock')
    this.#server = net.createServer({ allowHalfOpen: false }, (socket) => {
      this.connections.push(new ScriptedConnection(socket, script))
      this.#server.emit('accepted')
    })
    this.#server.listen(this.path)
  }

  /** The connection of that number, once it is there. */
  async connection(index: number): Promise<ScriptedConnection> {
    for (;;) {
      const connection = this.connections[index]
      if (connection !== undefined) return connection
      await once(this.#server, 'accepted')
    }
  }

  /** Ends every connection and stops listening. */
  async stop(): Promise<void> {
    for (const { socket } of this.connections) socket.destroy()
    if (this.#server.listening) {
      this.#server.close()
      await once(this.#server, 'close')
    }
    rmSync(this.#directory, { recursive: true, force: true })
  }
}
