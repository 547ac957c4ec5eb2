/**
 * A strict raw FastCGI client for tests: sends any bytes, cut at any place, and reads whole records back.
 *
 * It decodes with code of its own, not with lib/fastcgi, so that an error there cannot hide itself. Whatever an
 * application must not send is kept in `violations` and lets {@link FastCgiClient.response} reject.
 */
import net from 'node:net'
import { encodeBeginRequest, encodeRecord, encodeStream, RecordType, Role } from '../../lib/fastcgi/record.js'
import { encodePairs } from '../../lib/fastcgi/params.js'

/** Where the application listens: a Unix socket's path, a port on 127.0.0.1, or a host and port. */
export type ClientTarget = string | number | { host: string; port: number }

/** One record as it came. `content` is a copy without the padding. */
export interface ReceivedRecord {
  type: number
  requestId: number
  content: Buffer
  paddingLength: number
}

/** Name-value pairs, as an object or as a list where names repeat. */
export type Params = Record<string, string> | Iterable<readonly [name: string, value: string]>

/** All that an application said about one request. */
export interface ClientResponse {
  /** The records of this request id, in order. */
  records: ReceivedRecord[]
  /** Whether END_REQUEST came; where not, the connection closed before it and both statuses are -1. */
  complete: boolean
  appStatus: number
  protocolStatus: number
  stdout: Buffer
  stderr: Buffer
  /** The number in `Status:`, 200 without that header, 0 where there is no whole header block. */
  status: number
  /** The text after the number in `Status:`. */
  statusMessage: string
  /** Header lines in order, names as sent, `Status` among them. */
  rawHeaders: [name: string, value: string][]
  /** Values by lower-case name; those of repeated names are joined with `, `. */
  headers: Record<string, string>
  body: Buffer
}

/** What {@link FastCgiClient.request} sends. */
export interface ClientRequest {
  /** Default: an id that this connection has not used. */
  requestId?: number
  /** Default: RESPONDER. */
  role?: number
  /** Default: true. */
  keepConnection?: boolean
  params?: Params
  /** STDIN. Default: empty. */
  body?: Uint8Array | string
  /** DATA, for the Filter role. Default: no such stream. */
  data?: Uint8Array | string
  /** Octets a write; default: all in one. */
  cut?: number
}

interface Waiter {
  test: () => boolean
  resolve: () => void
  reject: (error: Error) => void
}

interface StreamState {
  begun: boolean
  stdoutEnded: boolean
  stderrUsed: boolean
  stderrEnded: boolean
  ended: boolean
}

const HEADER_LENGTH = 8

export class FastCgiClient {
  readonly socket: net.Socket
  /** Every record read so far. */
  readonly records: ReceivedRecord[] = []
  /** What the application sent against the specification. */
  readonly violations: string[] = []
  /** Requests whose answers were followed by the record that asks for the connection to be closed, in order. */
  readonly goodbyes: number[] = []
  /** Whether the application has sent its FIN (or reset the connection). */
  ended = false
  /** Whether the connection is gone. */
  closed = false
  /** The socket's error, if it had one. */
  error: Error | undefined
  #rest: Buffer = Buffer.alloc(0)
  #waiters: Waiter[] = []
  readonly #streams = new Map<number, StreamState>()
  #nextId = 1

  /** Connects, or rejects with the socket's error. */
  static async connect(target: ClientTarget, { allowHalfOpen = false } = {}): Promise<FastCgiClient> {
    const options =
      typeof target === 'string' ? { path: target } : typeof target === 'number' ? { host: '127.0.0.1', port: target } : target
    const socket = net.connect({ ...options, allowHalfOpen })
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', reject)
    })
    return new FastCgiClient(socket)
  }

  private constructor(socket: net.Socket) {
    this.socket = socket
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => {
      this.#read(chunk)
    })
    socket.on('error', (error) => {
      this.error = error
    })
    socket.on('end', () => {
      this.ended = true
      if (this.#rest.length > 0) this.violations.push(`the connection ended within a record (${String(this.#rest.length)} octets)`)
      this.#wake()
    })
    socket.on('close', () => {
      this.ended = true
      this.closed = true
      this.#wake()
    })
  }

  /** Writes bytes as they are; resolves when the kernel has them. */
  async send(...parts: Uint8Array[]): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.socket.write(Buffer.concat(parts), (error) => {
        if (error) reject(error)
        else resolve()
      })
    })
  }

  /** Writes bytes in pieces of `size` octets (or of the sizes listed, the last one repeated), one write each. */
  async sendCut(bytes: Uint8Array, size: number | number[]): Promise<void> {
    const sizes = typeof size === 'number' ? [size] : size
    for (let start = 0, piece = 0; start < bytes.length; piece++) {
      const length = Math.max(1, sizes[Math.min(piece, sizes.length - 1)] ?? bytes.length)
      await this.send(bytes.subarray(start, start + length))
      start += length
    }
  }

  /** Sends BEGIN_REQUEST. From here on answers for this id are expected. */
  async begin(requestId: number, { role, keepConnection = true }: { role?: number; keepConnection?: boolean } = {}): Promise<void> {
    this.expect(requestId)
    await this.send(encodeBeginRequest(requestId, { role: role ?? Role.RESPONDER, keepConnection }))
  }

  /** Sends PARAMS, and unless `end` is false the empty record after it. */
  async params(requestId: number, params: Params, end = true): Promise<void> {
    await this.stream(RecordType.PARAMS, requestId, encodePairs(pairsOf(params)), end)
  }

  /** Sends STDIN, and unless `end` is false the empty record after it. */
  async stdin(requestId: number, content: Uint8Array | string = '', end = true): Promise<void> {
    await this.stream(RecordType.STDIN, requestId, content, end)
  }

  /** Sends the records of a stream, and unless `end` is false the empty record after it. */
  async stream(type: number, requestId: number, content: Uint8Array | string, end = true): Promise<void> {
    const records = encodeStream(type, requestId, Buffer.from(content))
    await this.send(end ? Buffer.concat([records, encodeRecord(type, requestId)]) : records)
  }

  /** Sends ABORT_REQUEST. */
  async abort(requestId: number): Promise<void> {
    await this.send(encodeRecord(RecordType.ABORT_REQUEST, requestId))
  }

  /** Sends GET_VALUES. */
  async getValues(...names: string[]): Promise<void> {
    await this.send(encodeRecord(RecordType.GET_VALUES, 0, encodePairs(names.map((name) => [name, '']))))
  }

  /** Sends a whole request and reads its whole response. */
  async request(request: ClientRequest = {}): Promise<ClientResponse> {
    const requestId = request.requestId ?? this.newId()
    this.expect(requestId)
    const bytes = encodeRequest({ ...request, requestId })
    await (request.cut === undefined ? this.send(bytes) : this.sendCut(bytes, request.cut))
    return this.response(requestId)
  }

  /** An id that this connection has not used yet. */
  newId(): number {
    return this.#nextId++
  }

  /** Makes `requestId` a request in flight without sending anything: answers for it are then no violation. */
  expect(requestId: number): void {
    this.#nextId = Math.max(this.#nextId, requestId + 1)
    this.#streams.set(requestId, { begun: true, stdoutEnded: false, stderrUsed: false, stderrEnded: false, ended: false })
  }

  /** The whole response to a request; rejects if the connection closes before it, or breaks the specification. */
  async response(requestId: number): Promise<ClientResponse> {
    const response = await this.collect(requestId)
    if (!response.complete) throw new Error(`the connection closed before END_REQUEST: ${JSON.stringify(response.stdout.toString('latin1'))}`)
    if (this.violations.length > 0) throw new Error(this.violations.join('; '))
    return response
  }

  /** What has come for a request once it is complete or the connection has closed; for answers that are cut short. */
  async collect(requestId: number): Promise<ClientResponse> {
    await this.#until(() => this.ended || this.#endOf(requestId) !== undefined)
    return this.soFar(requestId)
  }

  /** What has come for a request so far; where an id is used again, for its latest use. */
  soFar(requestId: number): ClientResponse {
    return responseOf(this.#recordsOf(requestId))
  }

  /** Waits until a record has come that `test` accepts, and returns it; rejects if the connection closes first. */
  async record(test: (record: ReceivedRecord) => boolean): Promise<ReceivedRecord> {
    await this.#until(() => this.ended || this.records.some(test))
    const found = this.records.find(test)
    if (found === undefined) throw new Error('the connection closed before the record')
    return found
  }

  /** Waits for the first record of a type. */
  async recordOfType(type: number): Promise<ReceivedRecord> {
    return this.record((record) => record.type === type)
  }

  /** Waits until `test`, asked after every read and at the end, holds; rejects if the connection closes first. */
  async until(test: () => boolean): Promise<void> {
    await this.#until(() => this.closed || test())
    if (!test()) throw new Error('the connection closed first')
  }

  /** Waits for the application's FIN. */
  async whenEnded(): Promise<void> {
    await this.#until(() => this.ended)
  }

  /** Waits until the connection is gone. */
  async whenClosed(): Promise<void> {
    await this.#until(() => this.closed)
  }

  /** Stops reading, so that the application meets backpressure. */
  pause(): void {
    this.socket.pause()
  }

  /** Reads on. */
  resume(): void {
    this.socket.resume()
  }

  /** Sends the FIN, as a web server does whose client has gone; answers can still be read. */
  end(): void {
    this.socket.end()
  }

  /** Closes the connection at once. */
  async destroy(): Promise<void> {
    this.socket.destroy()
    await this.whenClosed()
  }

  #recordsOf(requestId: number): ReceivedRecord[] {
    const all = this.records.filter((record) => record.requestId === requestId)
    const uses: ReceivedRecord[][] = [[]]
    for (const record of all) {
      const latest = uses.at(-1)
      if (latest?.at(-1)?.type === RecordType.END_REQUEST) uses.push([record])
      else latest?.push(record)
    }
    const inFlight = this.#streams.get(requestId)?.ended === false
    const latest = uses.at(-1) ?? []
    return inFlight && latest.at(-1)?.type === RecordType.END_REQUEST ? [] : latest
  }

  #endOf(requestId: number): ReceivedRecord | undefined {
    return this.#recordsOf(requestId).find((record) => record.type === RecordType.END_REQUEST)
  }

  #read(chunk: Buffer): void {
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    while (bytes.length >= HEADER_LENGTH) {
      const contentEnd = HEADER_LENGTH + bytes.readUInt16BE(4)
      const paddingLength = bytes.readUInt8(6)
      if (bytes.length < contentEnd + paddingLength) break
      if (bytes.readUInt8(0) !== 1) this.violations.push(`a record of version ${String(bytes.readUInt8(0))}`)
      if (bytes.readUInt8(7) !== 0) this.violations.push('a reserved octet that is not 0')
      const record = {
        type: bytes.readUInt8(1),
        requestId: bytes.readUInt16BE(2),
        content: Buffer.from(bytes.subarray(HEADER_LENGTH, contentEnd)),
        paddingLength,
      }
      if (this.#isGoodbye(record)) this.goodbyes.push(record.requestId)
      else {
        this.records.push(record)
        this.#check(record)
      }
      bytes = bytes.subarray(contentEnd + paddingLength)
    }
    this.#rest = bytes
    this.#wake()
  }

  /** An empty STDERR record of a request that is over asks for the connection to be closed. */
  #isGoodbye({ type, requestId, content }: ReceivedRecord): boolean {
    return type === RecordType.STDERR && content.length === 0 && this.#streams.get(requestId)?.ended === true
  }

  #check(record: ReceivedRecord): void {
    const { type, requestId, content, paddingLength } = record
    const violation = (text: string) => this.violations.push(`request ${String(requestId)}: ${text}`)
    if ((content.length + paddingLength) % 8 !== 0) violation(`a record of type ${String(type)} that does not end 8-byte aligned`)
    if (requestId === 0) {
      if (type !== RecordType.GET_VALUES_RESULT && type !== RecordType.UNKNOWN_TYPE) violation(`management record of type ${String(type)}`)
      return
    }
    const state = this.#streams.get(requestId)
    if (state === undefined) violation('a record for an id that was never begun')
    else if (state.ended) violation('a record after END_REQUEST')
    else checkStream(state, type, content, violation)
  }

  async #until(test: () => boolean): Promise<void> {
    if (test()) return
    await new Promise<void>((resolve, reject) => {
      this.#waiters.push({ test, resolve, reject })
    })
  }

  #wake(): void {
    this.#waiters = this.#waiters.filter((waiter) => {
      if (!waiter.test() && !this.closed) return true
      waiter.resolve()
      return false
    })
  }
}

function checkStream(state: StreamState, type: number, content: Buffer, violation: (text: string) => void): void {
  if (type === RecordType.STDOUT) {
    if (state.stdoutEnded) violation('STDOUT after its end')
    if (content.length === 0) state.stdoutEnded = true
  } else if (type === RecordType.STDERR) {
    if (state.stderrEnded) violation('STDERR after its end')
    state.stderrUsed = true
    if (content.length === 0) state.stderrEnded = true
  } else if (type === RecordType.END_REQUEST) {
    state.ended = true
    if (content.length !== 8) violation(`END_REQUEST of ${String(content.length)} octets`)
    const protocolStatus = content.at(4) ?? -1
    if (protocolStatus > 3) violation(`protocol status ${String(protocolStatus)}`)
    if (protocolStatus === 0 && content.readUInt32BE(0) === 0 && !state.stdoutEnded) violation('END_REQUEST before the end of STDOUT')
    if (state.stderrUsed && !state.stderrEnded) violation('END_REQUEST before the end of STDERR')
  } else violation(`a record of type ${String(type)}`)
}

/** A whole request as bytes. */
export function encodeRequest(request: ClientRequest & { requestId: number }): Buffer {
  const { requestId, role = Role.RESPONDER, keepConnection = true, params = {}, body = '', data } = request
  const parts = [
    encodeBeginRequest(requestId, { role, keepConnection }),
    encodeStream(RecordType.PARAMS, requestId, encodePairs(pairsOf(params))),
    encodeRecord(RecordType.PARAMS, requestId),
    encodeStream(RecordType.STDIN, requestId, Buffer.from(body)),
    encodeRecord(RecordType.STDIN, requestId),
  ]
  if (data !== undefined) {
    parts.push(encodeStream(RecordType.DATA, requestId, Buffer.from(data)), encodeRecord(RecordType.DATA, requestId))
  }
  return Buffer.concat(parts)
}

function pairsOf(params: Params): Iterable<readonly [string, string]> {
  return Symbol.iterator in params ? (params as Iterable<readonly [string, string]>) : Object.entries(params)
}

function responseOf(records: ReceivedRecord[]): ClientResponse {
  const contentOf = (type: number) => Buffer.concat(records.filter((record) => record.type === type).map(({ content }) => content))
  const end = records.find((record) => record.type === RecordType.END_REQUEST)
  const stdout = contentOf(RecordType.STDOUT)
  const { rawHeaders, body, whole } = splitHead(stdout)
  const headers: Record<string, string> = {}
  for (const [name, value] of rawHeaders) {
    const key = name.toLowerCase()
    headers[key] = headers[key] === undefined ? value : `${headers[key]}, ${value}`
  }
  const statusLine = headers['status'] ?? '200'
  return {
    records,
    complete: end !== undefined,
    appStatus: end === undefined ? -1 : end.content.readUInt32BE(0),
    protocolStatus: end === undefined ? -1 : end.content.readUInt8(4),
    stdout,
    stderr: contentOf(RecordType.STDERR),
    status: whole ? Number(statusLine.slice(0, 3)) : 0,
    statusMessage: statusLine.slice(4),
    rawHeaders,
    headers,
    body,
  }
}

function splitHead(stdout: Buffer): { rawHeaders: [string, string][]; body: Buffer; whole: boolean } {
  const headEnd = stdout.indexOf('\r\n\r\n')
  if (headEnd < 0) return { rawHeaders: [], body: Buffer.alloc(0), whole: false }
  const lines = stdout.toString('latin1', 0, headEnd).split('\r\n')
  const rawHeaders = lines.map((line): [string, string] => {
    const colon = line.indexOf(':')
    return colon < 0 ? [line, ''] : [line.slice(0, colon), line.slice(colon + 1).trim()]
  })
  return { rawHeaders, body: stdout.subarray(headEnd + 4), whole: true }
}
