/**
 * From CGI meta-variables to what an HTTP request is made of: method, url, version, headers.
 * Pure: bytes in, values out. Sources: RFC 3875 (CGI), RFC 9110 (HTTP), Node's rules for raw headers.
 */
import type { PairVisitor, RequestParams } from '../fastcgi/params.js'
import { ParamKind, ParamNames, type ParamName } from './cgi-variables.js'

/** Why params make no request. */
export type HeadProblem = 'too-many' | 'method' | 'url' | 'header-value' | 'ambiguous-header'

/** What the app is given of a request's head. */
export interface RequestHead {
  readonly method: string
  readonly url: string
  readonly httpVersion: string
  /** Names and values in turn, as `rawHeaders` of a request. */
  readonly rawHeaders: string[]
  /** The Expect header; empty where there is none. */
  readonly expectation: string
  /** Whether there is a header in which a proxy tells whom it was asked by. */
  readonly hasForwarded: boolean
}

/** Finds one param by its name. */
export type ParamLookup = (name: string) => string | undefined

/** What the reading of a PARAMS stream depends on. */
export interface HeadOptions {
  /** The most pairs that are read. */
  paramsCount: number
  /** Take the url from REQUEST_URI as the client sent it, or from what the server's rewrites made of it. */
  url: 'request-uri' | 'rewritten'
  /** Whether two headers of a name that carries trust are refused or joined. */
  ambiguousHeaders: 'refuse' | 'join'
  /** Whether headers that proxies tell their clients by are left out. */
  removeForwarded: boolean
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
/** The header that lets body parsers read a body of unknown length. */
export const CHUNKED: readonly [name: string, value: string] = ['Transfer-Encoding', 'chunked']
/** Of a head that has not been read to its end. */
const NO_HEADERS: string[] = []
const METHODS_WITH_BODY = new Set(['POST', 'PUT', 'PATCH'])

/**
 * Reads one PARAMS stream after another; the fields tell of the last one that was read. One reader
 * serves a whole server, because names come in the same order again and again.
 */
export class RequestHeadReader implements PairVisitor, RequestHead {
  method = ''
  url = ''
  httpVersion = '1.1'
  /** Names and values in turn, as `rawHeaders` of a request. */
  rawHeaders: string[] = []
  /** Bytes of body that were announced, or -1 where this is not known. */
  contentLength = UNKNOWN_CONTENT_LENGTH
  /** What the params say of a body: none or one of the announced length, one of unknown length, or nothing. */
  body: 'announced' | 'unknown-length' | 'untold' = 'announced'
  /** The Expect header; empty where there is none. */
  expectation = ''
  /** The Upgrade header; empty where there is none. */
  upgrade = ''
  /** Whether there is a header in which a proxy tells whom it was asked by. */
  hasForwarded = false
  /** The client's address; undefined where the web server does not tell it. */
  remoteAddress: string | undefined
  /** What is wrong with the header that was refused. */
  culprit = ''

  readonly #options: HeadOptions
  readonly #createParams: (text: string) => RequestParams
  readonly #names = new ParamNames()
  #first: ParamName | undefined
  #previous: ParamName | undefined
  #serial = 0
  #count = 0
  /** The headers so far: the first `#headerCount` entries. It grows to the length of the longest head, and is copied once. */
  readonly #headers: string[] = []
  #headerCount = 0
  #base = 0
  #bytes: Uint8Array = new Uint8Array(0)
  #text = ''
  #params: RequestParams | undefined
  #problem: HeadProblem | undefined
  #contentLengthText = ''
  #contentType = ''
  #transferEncoding = ''

  /** @param createParams makes {@link RequestParams} of a PARAMS stream as latin1 text */
  constructor(options: HeadOptions, createParams: (text: string) => RequestParams) {
    this.#options = options
    this.#createParams = createParams
  }

  /** The PARAMS stream, each byte as one character. */
  get text(): string {
    return this.#text
  }

  /** All params, those that are asked for later among them. Most requests are asked for none: so they are made when asked for. */
  get params(): RequestParams {
    this.#params ??= this.#createParams(this.#text)
    return this.#params
  }

  /** Whether reading was stopped at a pair that is not accepted. */
  get refused(): boolean {
    return this.#problem !== undefined
  }

  /** Begins to read a whole PARAMS stream: `bytes` from `start` up to `end`, whose pairs follow. */
  begin(bytes: Buffer, start: number, end: number): void {
    this.#bytes = bytes
    this.#text = bytes.toString('latin1', start, end)
    this.#params = undefined
    this.method = ''
    this.url = ''
    this.httpVersion = '1.1'
    this.rawHeaders = NO_HEADERS
    this.#headerCount = 0
    this.expectation = ''
    this.upgrade = ''
    this.remoteAddress = undefined
    this.hasForwarded = false
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
    const value = this.#valueOf(name, nameEnd - this.#base, valueEnd - this.#base)
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
      case ParamKind.TRANSFER_ENCODING:
        this.#transferEncoding = value
        break
      case ParamKind.REMOTE_ADDR:
        // Read now, and not when it is asked for: limits and logs ask for it, and would have all params searched.
        name.lastValue = value
        this.remoteAddress = value
        break
      case ParamKind.EXPECT:
        this.expectation = value
        return this.#header(name, value)
      default:
        this.upgrade = value
        return this.#header(name, value)
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
    const found = this.#names.get(this.#text.slice(start - this.#base, end - this.#base))
    if (found.kept) {
      if (previous === undefined) this.#first = found
      else previous.next = found
    }
    this.#previous = found
    return found
  }

  /** Nothing is cut from the text where the value is what it was the last time. */
  #valueOf({ kind, lastValue }: ParamName, start: number, end: number): string {
    const text = this.#text
    if (end - start === lastValue.length && text.startsWith(lastValue, start)) return lastValue
    // Values with blanks around them are rare: what is done to them stays out of what every value goes through.
    if (isBlank(text.charCodeAt(start)) || isBlank(text.charCodeAt(end - 1))) return withoutBlanks(text, kind, start, end)
    return text.slice(start, end)
  }

  #header(name: ParamName, value: string): boolean {
    if (!name.remembersValue || value !== name.lastValue) {
      if (CONTROL_CHARACTER.test(value)) return this.#refuse('header-value', name.header)
      if (name.remembersValue) name.lastValue = value
    }
    if (name.forwarded) {
      if (this.#options.removeForwarded) return true
      this.hasForwarded = true
    }
    if (name.unique) {
      if (name.seenIn === this.#serial && this.#options.ambiguousHeaders === 'refuse') {
        return this.#refuse('ambiguous-header', name.header)
      }
      name.seenIn = this.#serial
    }
    this.#addHeader(name.header, value)
    return true
  }

  #addHeader(name: string, value: string): void {
    this.#headers[this.#headerCount] = name
    this.#headers[this.#headerCount + 1] = value
    this.#headerCount += 2
  }

  #refuse(problem: HeadProblem, culprit: string): false {
    this.#problem = problem
    this.culprit = culprit
    return false
  }

  /** Every pair was read. */
  complete(): HeadProblem | undefined {
    this.#bytes = EMPTY
    if (this.#problem !== undefined) return this.#problem
    if (!METHOD.test(this.method)) return 'method'
    if (this.#options.url === 'rewritten' || this.url === '') this.url = rewrittenUrl((name) => this.params.get(name))
    if (this.url === '' || BAD_URL.test(this.url)) return 'url'
    const problem = this.#completeBodyHeaders()
    this.rawHeaders = this.#headers.slice(0, this.#headerCount)
    // A value holds the whole text that it was cut from.
    this.#headers.fill('', 0, this.#headerCount)
    return problem
  }

  /** Content-Type, and either Content-Length or Transfer-Encoding, as HTTP would have carried them. */
  #completeBodyHeaders(): HeadProblem | undefined {
    if (this.#contentType !== '') {
      if (CONTROL_CHARACTER.test(this.#contentType)) {
        this.culprit = 'Content-Type'
        return 'header-value'
      }
      this.#addHeader('Content-Type', this.#contentType)
    }
    this.body = 'announced'
    const bodyless = this.method === 'GET' || this.method === 'HEAD'
    if (CONTENT_LENGTH.test(this.#contentLengthText)) {
      this.contentLength = Number(this.#contentLengthText)
      // Servers send 0 where the client sent no Content-Length at all.
      if (this.contentLength > 0 || !bodyless) this.#addHeader('Content-Length', this.#contentLengthText)
      return undefined
    }
    this.contentLength = UNKNOWN_CONTENT_LENGTH
    if (this.#hasBodyOfUnknownLength()) {
      this.body = 'unknown-length'
      this.#addHeader(...CHUNKED)
    } else if (!bodyless) this.body = 'untold'
    return undefined
  }

  /** The head as it is now: the next one is read into other fields. */
  copy(): RequestHead {
    const { method, url, httpVersion, rawHeaders, expectation, hasForwarded } = this
    return { method, url, httpVersion, rawHeaders, expectation, hasForwarded }
  }

  /**
   * Without a length there is a body where the server says that it was chunked, or sends -1 (Caddy). From HTTP/2 on
   * a body needs neither header (RFC 9113, section 8.1.1), so methods that nearly always have one are taken to have
   * one. Body parsers read a body only if a header says that there is one.
   */
  #hasBodyOfUnknownLength(): boolean {
    if (this.#transferEncoding !== '' || this.#contentLengthText.startsWith('-')) return true
    return !this.httpVersion.startsWith('1.') && METHODS_WITH_BODY.has(this.method)
  }
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09
}

/** What is around a value is no part of it (RFC 9110, section 5.5). Node's parser leaves it out, nginx leaves tabs in. */
function withoutBlanks(text: string, kind: ParamName['kind'], start: number, end: number): string {
  // Web servers write it themselves: with anything else in it it is no length.
  if (kind === ParamKind.CONTENT_LENGTH) return text.slice(start, end)
  let from = start
  let to = end
  while (from < to && isBlank(text.charCodeAt(from))) from++
  while (to > from && isBlank(text.charCodeAt(to - 1))) to--
  return text.slice(from, to)
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

/**
 * The url that the server's rewrites made: SCRIPT_NAME and PATH_INFO (RFC 3875, sections 4.1.13 and
 * 4.1.5) are decoded, so they are encoded again; where both are empty, nginx's DOCUMENT_URI stands for them.
 */
function rewrittenUrl(lookup: ParamLookup): string {
  const scriptAndPath = (lookup('SCRIPT_NAME') ?? '') + (lookup('PATH_INFO') ?? '')
  const path = scriptAndPath === '' ? (lookup('DOCUMENT_URI') ?? '') : scriptAndPath
  const query = lookup('QUERY_STRING') ?? ''
  if (path === '' && query === '') return ''
  return encodePath(path === '' ? '/' : path) + (query === '' ? '' : `?${query}`)
}

/** Bytes that a path may have as they are (RFC 3986, section 3.3); all others are percent-encoded. */
function encodePath(path: string): string {
  return path.replace(/[^A-Za-z0-9\-._~!$&'()*+,;=:@/]/g, (character) => {
    const byte = character.charCodeAt(0)
    return `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
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
export function isEncrypted(lookup: ParamLookup): boolean {
  const https = lookup('HTTPS')?.toLowerCase()
  if (https !== undefined && https !== '' && https !== 'off') return true
  return lookup('REQUEST_SCHEME')?.toLowerCase() === 'https'
}
