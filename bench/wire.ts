/**
 * The bytes of the benchmark's requests, and readers that find the end of a response with as little
 * work as can be. Pure: bytes in, values out.
 */
import { encodePairs } from '../lib/fastcgi/params.js'
import {
  CONTROL_BODY_LENGTH,
  HEADER_LENGTH,
  KEEP_CONN,
  ProtocolStatus,
  RecordReader,
  RecordType,
  Role,
  decodeEndRequest,
  encodeRecord,
} from '../lib/fastcgi/record.js'
import { CASES, CASE_NAMES } from './cases.js'
import type { CaseName } from './cases.js'

export type Protocol = 'http' | 'fastcgi'

/** The one request id: nginx uses no other. */
const REQUEST_ID = 1
/** nginx cuts a request's body into records of this size. */
const STDIN_RECORD_LENGTH = 32 * 1024
/** Where the floor finds the case in a request: a reserved octet of BEGIN_REQUEST's body, ignored by all others. */
export const CASE_OCTET = 15
/** Where a request's flags stand: after the record header and the role. */
export const FLAGS_OCTET = 10

const HOST = 'localhost'
/** The header fields of every request, the same over HTTP and FastCGI. */
const HEADERS = [
  ['Host', HOST],
  ['User-Agent', 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0'],
  ['Accept', '*/*'],
  ['Accept-Encoding', 'gzip, deflate, br'],
] as const
const BODY_TYPE = 'application/octet-stream'

/** What a request asks for. */
export interface RequestShape {
  method: 'GET' | 'POST'
  path: string
  /** Octets of the body. */
  requestOctets: number
  /** More header fields. */
  headers?: readonly (readonly [field: string, value: string])[]
  /** Whether the connection is kept. */
  keep: boolean
  /** The script's file, for an application server that runs files. */
  scriptFilename?: string
  /** Which of the cases it is, for the floor. */
  caseIndex?: number
}

/** The whole request of a case. */
export function caseRequest(protocol: Protocol, name: CaseName, keep: boolean, scriptFilename?: string): Buffer {
  const { method, path, requestOctets } = CASES[name]
  const shape: RequestShape = { method, path, requestOctets, keep, caseIndex: CASE_NAMES.indexOf(name) }
  if (scriptFilename !== undefined) shape.scriptFilename = scriptFilename
  return Buffer.concat([
    requestHead(protocol, shape),
    requestBody(protocol, Buffer.alloc(requestOctets, 'b')),
    requestEnd(protocol),
  ])
}

/** All of a request before its body. */
export function requestHead(protocol: Protocol, shape: RequestShape): Buffer {
  return protocol === 'http' ? httpHead(shape) : fastCgiHead(shape)
}

/** A piece of a request's body as it goes over the wire. */
export function requestBody(protocol: Protocol, body: Buffer): Buffer {
  if (protocol === 'http') return body
  const records: Buffer[] = []
  for (let start = 0; start < body.length; start += STDIN_RECORD_LENGTH) {
    records.push(encodeRecord(RecordType.STDIN, REQUEST_ID, body.subarray(start, start + STDIN_RECORD_LENGTH)))
  }
  return Buffer.concat(records)
}

/** What ends a request. */
export function requestEnd(protocol: Protocol): Buffer {
  return protocol === 'http' ? Buffer.alloc(0) : encodeRecord(RecordType.STDIN, REQUEST_ID)
}

function headersOf({ requestOctets, headers = [] }: RequestShape): (readonly [field: string, value: string])[] {
  const body = [
    ['Content-Type', BODY_TYPE],
    ['Content-Length', String(requestOctets)],
  ] as const
  return [...HEADERS, ...headers, ...(requestOctets > 0 ? body : [])]
}

function httpHead(shape: RequestShape): Buffer {
  const lines = headersOf(shape).map(([field, value]) => `${field}: ${value}\r\n`)
  const connection = shape.keep ? '' : 'Connection: close\r\n'
  return Buffer.from(`${shape.method} ${shape.path} HTTP/1.1\r\n${lines.join('')}${connection}\r\n`, 'latin1')
}

function fastCgiHead(shape: RequestShape): Buffer {
  const begin = Buffer.alloc(CONTROL_BODY_LENGTH)
  begin.writeUInt16BE(Role.RESPONDER)
  begin[FLAGS_OCTET - HEADER_LENGTH] = shape.keep ? KEEP_CONN : 0
  begin[CASE_OCTET - HEADER_LENGTH] = shape.caseIndex ?? 0
  return Buffer.concat([
    encodeRecord(RecordType.BEGIN_REQUEST, REQUEST_ID, begin),
    encodeRecord(RecordType.PARAMS, REQUEST_ID, encodePairs(fastCgiParams(shape))),
    encodeRecord(RecordType.PARAMS, REQUEST_ID),
  ])
}

/** The params that nginx sends with Debian's `fastcgi_params`, in its order. */
function fastCgiParams(shape: RequestShape): [string, string][] {
  const { method, path, requestOctets, scriptFilename } = shape
  return [
    ['QUERY_STRING', ''],
    ['REQUEST_METHOD', method],
    ['CONTENT_TYPE', requestOctets > 0 ? BODY_TYPE : ''],
    ['CONTENT_LENGTH', requestOctets > 0 ? String(requestOctets) : ''],
    ['SCRIPT_FILENAME', scriptFilename ?? `/usr/share/nginx/html${path}`],
    ['SCRIPT_NAME', path],
    ['REQUEST_URI', path],
    ['DOCUMENT_URI', path],
    ['DOCUMENT_ROOT', '/usr/share/nginx/html'],
    ['SERVER_PROTOCOL', 'HTTP/1.1'],
    ['REQUEST_SCHEME', 'http'],
    ['GATEWAY_INTERFACE', 'CGI/1.1'],
    ['SERVER_SOFTWARE', 'nginx/1.22.1'],
    ['REMOTE_ADDR', '127.0.0.1'],
    ['REMOTE_PORT', '40312'],
    ['SERVER_ADDR', '127.0.0.1'],
    ['SERVER_PORT', '80'],
    ['SERVER_NAME', HOST],
    ['REDIRECT_STATUS', '200'],
    ...headersOf(shape).map(([field, value]): [string, string] => [
      `HTTP_${field.toUpperCase().replaceAll('-', '_')}`,
      value,
    ]),
  ]
}

/** Follows the responses on one connection. */
export interface ResponseReader {
  /** Octets of the present response's head and body so far. */
  readonly octets: number
  /**
   * Reads the next bytes.
   *
   * @returns true once the response is whole.
   * @throws Error where the answer is not a success.
   */
  read(chunk: Uint8Array, length: number): boolean
  /** Makes ready for the next response. */
  reset(): void
}

/** Follows FastCGI responses up to END_REQUEST. */
export class FastCgiResponseReader implements ResponseReader {
  octets = 0
  readonly #leastOctets: number
  #ended = false
  #reader: RecordReader

  /** @param bodyOctets the octets that the body must have. */
  constructor(bodyOctets: number) {
    this.#leastOctets = bodyOctets
    this.#reader = this.#newReader()
  }

  read(chunk: Uint8Array, length: number): boolean {
    this.#reader.read(chunk, 0, length)
    return this.#ended
  }

  reset(): void {
    this.octets = 0
    this.#ended = false
    if (!this.#reader.atBoundary) this.#reader = this.#newReader()
  }

  #newReader(): RecordReader {
    return new RecordReader({
      onRecord: (type, _id, chunk, start, end) => {
        if (type === RecordType.STDOUT) this.octets += end - start
        else if (type === RecordType.END_REQUEST) this.#end(chunk, start, end)
        return true
      },
      onBadVersion: (version) => {
        throw new Error(`a record of version ${String(version)}`)
      },
    })
  }

  #end(chunk: Uint8Array, start: number, end: number): void {
    const request = decodeEndRequest(chunk, start, end)
    if (request?.protocolStatus !== ProtocolStatus.REQUEST_COMPLETE || request.appStatus !== 0) {
      throw new Error(`END_REQUEST says ${JSON.stringify(request)}`)
    }
    if (this.octets < this.#leastOctets) throw new Error(`only ${String(this.octets)} octets of STDOUT`)
    this.#ended = true
  }
}

const HEAD_END = Buffer.from('\r\n\r\n')
const SUCCESS = Buffer.from('HTTP/1.1 2')

/** Follows HTTP responses whose body length is known beforehand. */
export class HttpResponseReader implements ResponseReader {
  octets = 0
  readonly #bodyOctets: number
  #expected = 0
  #held: Buffer | undefined

  /** @param bodyOctets the octets that the body must have. */
  constructor(bodyOctets: number) {
    this.#bodyOctets = bodyOctets
  }

  read(chunk: Uint8Array, length: number): boolean {
    this.octets += length
    if (this.#expected === 0) this.#readHead(Buffer.from(chunk.buffer, chunk.byteOffset, length))
    if (this.#expected === 0 || this.octets < this.#expected) return false
    if (this.octets > this.#expected) throw new Error(`${String(this.octets - this.#expected)} octets too many`)
    return true
  }

  reset(): void {
    this.octets = 0
    this.#expected = 0
    this.#held = undefined
  }

  #readHead(chunk: Buffer): void {
    const bytes = this.#held ? Buffer.concat([this.#held, chunk]) : chunk
    const end = bytes.indexOf(HEAD_END)
    if (end === -1) {
      this.#held = Buffer.from(bytes)
      return
    }
    if (bytes.compare(SUCCESS, 0, SUCCESS.length, 0, SUCCESS.length) !== 0) {
      throw new Error(`an answer that begins ${JSON.stringify(bytes.toString('latin1', 0, 40))}`)
    }
    this.#expected = end + HEAD_END.length + this.#bodyOctets
  }
}

/**
 * Holds one whole response against what the case asks for: the readers above trust the body's length,
 * so the first answer of every server is looked at in full.
 *
 * @throws Error where status or length are wrong.
 */
export function checkResponse(protocol: Protocol, name: CaseName, bytes: Buffer): void {
  const text = protocol === 'fastcgi' ? standardOutput(bytes) : bytes
  const end = text.indexOf(HEAD_END)
  const head = text.toString('latin1', 0, end === -1 ? 200 : end)
  if (!/^(?:HTTP\/1\.1|Status:) 200\b/mi.test(head) && (protocol === 'http' || /^Status:/mi.test(head))) {
    throw new Error(`an answer that begins ${JSON.stringify(head.slice(0, 80))}`)
  }
  const expected = CASES[name].responseOctets
  const octets = text.length - end - HEAD_END.length
  if (end === -1 || octets !== expected) {
    throw new Error(`a body of ${String(octets)} octets, not ${String(expected)}`)
  }
}

function standardOutput(bytes: Buffer): Buffer {
  const pieces: Buffer[] = []
  new RecordReader({
    onRecord: (type, _id, chunk, start, end) => {
      if (type === RecordType.STDOUT) pieces.push(Buffer.from(chunk.subarray(start, end)))
      return true
    },
    onBadVersion: () => undefined,
  }).read(bytes)
  return Buffer.concat(pieces)
}
