/**
 * From CGI meta-variables to what an HTTP request is made of: method, url, version, headers.
 * Pure: bytes in, values out. Sources: RFC 3875 (CGI), RFC 9110 (HTTP), Node's rules for raw headers.
 */
import { readPairs, type PairVisitor } from '../fastcgi/params.js'
import { ParamKind, ParamNames, type ParamName } from './header-names.js'

/** Why params make no request. */
export type HeadProblem = 'incomplete' | 'too-many' | 'method' | 'url' | 'header-value' | 'ambiguous-header'

/** What the reading of a PARAMS stream depends on. */
export interface HeadOptions {
  /** The most pairs that are read. */
  paramsCount: number
  /** Take the url from REQUEST_URI as the client sent it, or from what the server's rewrites made of it. */
  url: 'request-uri' | 'rewritten'
  /** Whether two headers of a name that carries trust are refused or joined. */
  ambiguousHeaders: 'refuse' | 'join'
}

/** A control character that no header value may have (RFC 9110, section 5.5); HTAB may. */
// eslint-disable-next-line no-control-regex -- control characters are what is looked for
const CONTROL_CHARACTER = /[\0-\x08\x0a-\x1f\x7f]/
/** What cannot stand in a request target: Node's parser refuses the same. */
// eslint-disable-next-line no-control-regex -- control characters are what is looked for
const BAD_URL = /[\0-\x20\x7f]/
const METHOD = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const CONTENT_LENGTH = /^[0-9]{1,15}$/
const UNKNOWN_CONTENT_LENGTH = -1

/**
 * Reads one PARAMS stream after another; the fields tell of the last one that was read. One reader
 * serves a whole server, because names come in the same order again and again.
 */
export class RequestHeadReader implements PairVisitor {
  method = ''
  url = ''
  httpVersion = '1.1'
  /** Names and values in turn, as `rawHeaders` of a request. */
  rawHeaders: string[] = []
  /** Octets of body that were announced, or -1 where this is not known. */
  contentLength = UNKNOWN_CONTENT_LENGTH
  /** The PARAMS stream as latin1 text, for who asks for other params later. */
  text = ''
  /** What is wrong with the header that was refused. */
  culprit = ''

  readonly #options: HeadOptions
  readonly #names = new ParamNames()
  #first: ParamName | undefined
  #previous: ParamName | undefined
  #serial = 0
  #count = 0
  #base = 0
  #bytes: Uint8Array = new Uint8Array(0)
  #problem: HeadProblem | undefined
  #contentLengthText = ''
  #contentType = ''
  #transferEncoding = ''

  constructor(options: HeadOptions) {
    this.#options = options
  }

  /** Reads a whole PARAMS stream: `bytes` from `start` up to `end`. */
  read(bytes: Buffer, start: number, end: number): HeadProblem | undefined {
    this.#reset(bytes, start, end)
    const readTo = readPairs(bytes, start, end, this)
    this.#bytes = EMPTY
    if (this.#problem !== undefined) return this.#problem
    if (readTo !== end) return 'incomplete'
    return this.#complete()
  }

  #reset(bytes: Buffer, start: number, end: number): void {
    this.#bytes = bytes
    this.text = bytes.toString('latin1', start, end)
    this.method = ''
    this.url = ''
    this.httpVersion = '1.1'
    this.rawHeaders = []
    this.#base = start
    this.#serial++
    this.#count = 0
    this.#problem = undefined
    this.#previous = undefined
    this.#contentLengthText = ''
    this.#contentType = ''
    this.#transferEncoding = ''
  }

  onPair(nameStart: number, nameEnd: number, valueEnd: number): boolean {
    if (++this.#count > this.#options.paramsCount) return this.#refuse('too-many', '')
    const name = this.#nameAt(nameStart, nameEnd)
    if (name.kind === ParamKind.OTHER) return true
    const value = this.text.slice(nameEnd - this.#base, valueEnd - this.#base)
    if (name.kind === ParamKind.HEADER) return this.#header(name, value)
    switch (name.kind) {
      case ParamKind.REQUEST_METHOD:
        this.method = value
        break
      case ParamKind.REQUEST_URI:
        this.url = value
        break
      case ParamKind.SERVER_PROTOCOL:
        if (value.startsWith('HTTP/')) this.httpVersion = value.slice('HTTP/'.length)
        break
      case ParamKind.CONTENT_LENGTH:
        this.#contentLengthText = value
        break
      case ParamKind.CONTENT_TYPE:
        this.#contentType = value
        break
      default:
        this.#transferEncoding = value
    }
    return true
  }

  /** The name's bytes are compared with the name that was next the last time, before anything is made. */
  #nameAt(start: number, end: number): ParamName {
    const previous = this.#previous
    const expected = previous === undefined ? this.#first : previous.next
    if (expected !== undefined && isAt(expected.bytes, this.#bytes, start, end)) {
      this.#previous = expected
      return expected
    }
    const found = this.#names.get(this.text.slice(start - this.#base, end - this.#base))
    if (previous === undefined) this.#first = found
    else previous.next = found
    this.#previous = found
    return found
  }

  #header(name: ParamName, value: string): boolean {
    if (value === name.lastValue) value = name.lastValue
    else if (CONTROL_CHARACTER.test(value)) return this.#refuse('header-value', name.header)
    else name.lastValue = value
    if (name.unique) {
      if (name.seenIn === this.#serial && this.#options.ambiguousHeaders === 'refuse') {
        return this.#refuse('ambiguous-header', name.header)
      }
      name.seenIn = this.#serial
    }
    this.rawHeaders.push(name.header, value)
    return true
  }

  #refuse(problem: HeadProblem, culprit: string): false {
    this.#problem = problem
    this.culprit = culprit
    return false
  }

  #complete(): HeadProblem | undefined {
    if (!METHOD.test(this.method)) return 'method'
    if (this.#options.url === 'rewritten' || this.url === '') this.url = rewrittenUrl(this.text)
    if (this.url === '' || BAD_URL.test(this.url)) return 'url'
    return this.#completeBodyHeaders()
  }

  /** Content-Type, and either Content-Length or Transfer-Encoding, as HTTP would have carried them. */
  #completeBodyHeaders(): HeadProblem | undefined {
    if (this.#contentType !== '') {
      if (CONTROL_CHARACTER.test(this.#contentType)) {
        this.culprit = 'Content-Type'
        return 'header-value'
      }
      this.rawHeaders.push('Content-Type', this.#contentType)
    }
    const bodyless = this.method === 'GET' || this.method === 'HEAD'
    if (CONTENT_LENGTH.test(this.#contentLengthText)) {
      this.contentLength = Number(this.#contentLengthText)
      // Servers send 0 where the client sent no Content-Length at all.
      if (this.contentLength > 0 || !bodyless) this.rawHeaders.push('Content-Length', this.#contentLengthText)
      return undefined
    }
    this.contentLength = UNKNOWN_CONTENT_LENGTH
    if (this.#hasBodyOfUnknownLength()) this.rawHeaders.push('Transfer-Encoding', 'chunked')
    return undefined
  }

  /**
   * Without a length there is a body where the server says that it was chunked, where it sends -1 (Caddy),
   * and for methods that nearly always have one: HTTP/2 has neither header. Body parsers read only if told.
   */
  #hasBodyOfUnknownLength(): boolean {
    if (this.#transferEncoding !== '' || this.#contentLengthText.startsWith('-')) return true
    return this.method === 'POST' || this.method === 'PUT' || this.method === 'PATCH'
  }
}

const EMPTY = new Uint8Array(0)

function isAt(expected: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  const length = expected.length
  if (end - start !== length) return false
  for (let i = length - 1; i >= 0; i--) {
    if (expected[i] !== bytes[start + i]) return false
  }
  return true
}

/** All params of a PARAMS stream that was kept as latin1 text, without a prototype and frozen; the first of a name counts. */
export function paramsOf(text: string): Readonly<Record<string, string>> {
  const params = Object.create(null) as Record<string, string>
  forEachParam(text, (name, value) => {
    params[name] ??= value
    return true
  })
  return Object.freeze(params)
}

/** One param of a PARAMS stream that was kept as latin1 text. */
export function paramOf(text: string, wanted: string): string | undefined {
  let found: string | undefined
  forEachParam(text, (name, value) => {
    if (name === wanted) found = value
    return found === undefined
  })
  return found
}

function forEachParam(text: string, visit: (name: string, value: string) => boolean): void {
  const bytes = Buffer.from(text, 'latin1')
  readPairs(bytes, 0, bytes.length, {
    onPair: (nameStart, nameEnd, valueEnd) => visit(text.slice(nameStart, nameEnd), text.slice(nameEnd, valueEnd)),
  })
}

/**
 * The url that the server's rewrites made: SCRIPT_NAME and PATH_INFO (RFC 3875, sections 4.1.13 and
 * 4.1.5) are decoded, so they are encoded again; nginx's DOCUMENT_URI stands for both.
 */
function rewrittenUrl(text: string): string {
  const pathInfo = paramOf(text, 'PATH_INFO') ?? ''
  const scriptName = paramOf(text, 'SCRIPT_NAME') ?? ''
  const path = paramOf(text, 'DOCUMENT_URI') ?? scriptName + pathInfo
  const query = paramOf(text, 'QUERY_STRING') ?? ''
  if (path === '' && query === '') return ''
  return encodePath(path === '' ? '/' : path) + (query === '' ? '' : `?${query}`)
}

/** Octets that a path may have as they are (RFC 3986, section 3.3); all others are percent-encoded. */
function encodePath(path: string): string {
  return path.replace(/[^A-Za-z0-9\-._~!$&'()*+,;=:@/]/g, (character) => {
    const octet = character.charCodeAt(0)
    return `%${octet.toString(16).toUpperCase().padStart(2, '0')}`
  })
}

/** A url below a mount prefix, without the prefix; undefined where the url is not below it. */
export function withoutMount(url: string, mount: string): string | undefined {
  if (!url.startsWith(mount)) return undefined
  const rest = url.slice(mount.length)
  if (rest === '') return '/'
  if (rest.startsWith('?')) return `/${rest}`
  return rest.startsWith('/') ? rest : undefined
}

/** Whether params say that the client's connection was encrypted. */
export function isEncrypted(text: string): boolean {
  const https = paramOf(text, 'HTTPS')?.toLowerCase()
  if (https !== undefined && https !== '' && https !== 'off') return true
  return paramOf(text, 'REQUEST_SCHEME')?.toLowerCase() === 'https'
}
