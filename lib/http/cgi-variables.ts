/** From the name of a CGI meta-variable (RFC 3875, section 4.1) to what it means for a request. Pure. */

/** What a param is to a request. Headers are the common case, most others are only read when asked for. */
export const ParamKind = {
  OTHER: 0,
  HEADER: 1,
  REQUEST_METHOD: 2,
  REQUEST_URI: 3,
  SERVER_PROTOCOL: 4,
  CONTENT_LENGTH: 5,
  CONTENT_TYPE: 6,
  TRANSFER_ENCODING: 7,
  EXPECT: 8,
  UPGRADE: 9,
  REMOTE_ADDR: 10,
} as const

/** What is known of one param's name, made once. */
export interface ParamName {
  readonly name: string
  readonly bytes: Uint8Array
  readonly kind: number
  /** The header's name in natural case; empty where the param is no header. */
  readonly header: string
  /** Whether two headers of this name are refused, because apps trust them. */
  readonly unique: boolean
  /** Whether the header describes a connection to another proxy, such as X-Forwarded-For; a client can make it up. */
  readonly forwarded: boolean
  /** The name that followed this one the last time: web servers send params in the same order. */
  next: ParamName | undefined
  /** Whether the name is in the table; only such a name may be `next`, or a chain would keep all that clients make up. */
  readonly kept: boolean
  /** Whether `lastValue` is kept: only for names that clients do not choose, since it keeps the text of its whole request. */
  readonly remembersValue: boolean
  /** The value that this header had the last time: an equal one was checked already. */
  lastValue: string
  /** The request that this name was last seen in. */
  seenIn: number
}

/** More names than this are not kept beside the usual ones: clients choose the names of headers. */
const MAX_UNUSUAL_NAMES = 256

/** Headers that most requests have some of. */
const USUAL_HEADERS = [
  'ACCEPT',
  'ACCEPT_CHARSET',
  'ACCEPT_ENCODING',
  'ACCEPT_LANGUAGE',
  'AUTHORIZATION',
  'CACHE_CONTROL',
  'CONNECTION',
  'COOKIE',
  'DNT',
  'FORWARDED',
  'HOST',
  'IF_MATCH',
  'IF_MODIFIED_SINCE',
  'IF_NONE_MATCH',
  'ORIGIN',
  'PRAGMA',
  'PRIORITY',
  'RANGE',
  'REFERER',
  'SEC_CH_UA',
  'SEC_CH_UA_MOBILE',
  'SEC_CH_UA_PLATFORM',
  'SEC_FETCH_DEST',
  'SEC_FETCH_MODE',
  'SEC_FETCH_SITE',
  'SEC_FETCH_USER',
  'SEC_GPC',
  'TE',
  'UPGRADE_INSECURE_REQUESTS',
  'USER_AGENT',
  'VIA',
  'X_FORWARDED_FOR',
  'X_FORWARDED_HOST',
  'X_FORWARDED_PORT',
  'X_FORWARDED_PROTO',
  'X_REAL_IP',
  'X_REQUESTED_WITH',
  'X_REQUEST_ID',
]

const KINDS = new Map<string, number>([
  ['REQUEST_METHOD', ParamKind.REQUEST_METHOD],
  ['REQUEST_URI', ParamKind.REQUEST_URI],
  ['SERVER_PROTOCOL', ParamKind.SERVER_PROTOCOL],
  ['CONTENT_LENGTH', ParamKind.CONTENT_LENGTH],
  ['CONTENT_TYPE', ParamKind.CONTENT_TYPE],
  ['HTTP_TRANSFER_ENCODING', ParamKind.TRANSFER_ENCODING],
  ['HTTP_EXPECT', ParamKind.EXPECT],
  ['HTTP_UPGRADE', ParamKind.UPGRADE],
  ['REMOTE_ADDR', ParamKind.REMOTE_ADDR],
  // The CGI variables without HTTP_ are the true ones.
  ['HTTP_CONTENT_LENGTH', ParamKind.OTHER],
  ['HTTP_CONTENT_TYPE', ParamKind.OTHER],
  // httpoxy, CVE-2016-5385: nothing may take a client's Proxy header for a setting.
  ['HTTP_PROXY', ParamKind.OTHER],
])

/**
 * Headers that an app or `trust proxy` believes: `X-Real-IP` and `X_Real_IP` both arrive as
 * HTTP_X_REAL_IP from some servers, so a second one is refused rather than joined.
 */
const UNIQUE_HEADERS = new Set([
  'HTTP_AUTHORIZATION',
  'HTTP_FORWARDED',
  'HTTP_HOST',
  'HTTP_PROXY_AUTHORIZATION',
  'HTTP_X_FORWARDED_FOR',
  'HTTP_X_FORWARDED_HOST',
  'HTTP_X_FORWARDED_PORT',
  'HTTP_X_FORWARDED_PREFIX',
  'HTTP_X_FORWARDED_PROTO',
  'HTTP_X_FORWARDED_USER',
  'HTTP_X_REAL_IP',
  'HTTP_X_REMOTE_USER',
])

/** Headers in which proxies tell whom they were asked by. */
const FORWARDED = /^HTTP_(?:FORWARDED|X_FORWARDED_[A-Z0-9_]+|X_REAL_IP)$/

/** Words of header names whose natural case is not Capitalized. */
const SPECIAL_WORDS = new Map([
  ['CH', 'CH'],
  ['DNT', 'DNT'],
  ['ETAG', 'ETag'],
  ['ID', 'ID'],
  ['IP', 'IP'],
  ['MD5', 'MD5'],
  ['SSL', 'SSL'],
  ['TE', 'TE'],
  ['UA', 'UA'],
  ['URI', 'URI'],
  ['URL', 'URL'],
  ['WEBSOCKET', 'WebSocket'],
  ['WWW', 'WWW'],
  ['XSS', 'XSS'],
])

/** The characters that a header's name may have (RFC 9110, section 5.6.2). */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

/** The names of params that were seen, each made once. */
export class ParamNames {
  readonly #names = new Map<string, ParamName>()
  #unusual = 0

  constructor() {
    for (const name of KINDS.keys()) this.#names.set(name, createParamName(name, true, name === 'REMOTE_ADDR'))
    for (const header of USUAL_HEADERS) {
      const name = `HTTP_${header}`
      this.#names.set(name, createParamName(name, true, true))
    }
  }

  get(name: string): ParamName {
    const known = this.#names.get(name)
    if (known !== undefined) return known
    const kept = this.#unusual < MAX_UNUSUAL_NAMES
    const made = createParamName(name, kept, false)
    if (kept) {
      this.#unusual++
      this.#names.set(made.name, made)
    }
    return made
  }
}

function createParamName(name: string, kept: boolean, remembersValue: boolean): ParamName {
  // A copy: in V8 a substring keeps the whole string in memory.
  const bytes = Buffer.from(name, 'latin1')
  const ownName = bytes.toString('latin1')
  const header = headerName(ownName)
  return {
    name: ownName,
    bytes,
    kind: KINDS.get(ownName) ?? (header === '' ? ParamKind.OTHER : ParamKind.HEADER),
    header,
    unique: UNIQUE_HEADERS.has(ownName),
    forwarded: FORWARDED.test(ownName),
    next: undefined,
    kept,
    remembersValue,
    lastValue: '',
    seenIn: -1,
  }
}

/**
 * In params, header names are upper case with `_` for `-` (RFC 3875, section 4.1.18): in another spelling one
 * could pass beside the header that is looked for by its proper name.
 */
const IMPROPER = /[a-z-]/

/** `HTTP_USER_AGENT` → `User-Agent`; empty where the param is no header. */
export function headerName(paramName: string): string {
  if (!paramName.startsWith('HTTP_') || IMPROPER.test(paramName)) return ''
  const words = paramName.slice('HTTP_'.length).split('_')
  const header = words.map((word) => SPECIAL_WORDS.get(word) ?? word.slice(0, 1) + word.slice(1).toLowerCase()).join('-')
  return TOKEN.test(header) ? header : ''
}
