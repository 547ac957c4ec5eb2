/** In what the web servers truly differ, each with its reason. What is not listed here is the same for all. */
import type { ServerKey } from './servers.js'

/** The differences that tests depend on. */
export interface Traits {
  /** X-Forwarded-For as the app gets it, of the value that a client sent. */
  forwardedFor(sent: string): string
  /** What becomes of an upload in chunks: the app gets it as such, or with its length, or gets nothing of it. */
  chunkedUploads: 'chunked' | 'counted' | 'lost'
  /** The status for a chunked upload of 1 MB, where the server does not take it. */
  refusesChunkedMegabyte?: number
  /** Whether the app is asked while the body is still to come (below /uploads/). */
  streamsRequests: boolean
  /** Whether the client has parts of a response before it is whole (below /events/). */
  streamsResponses: boolean
  /** Whether the app's Content-Length reaches the client. */
  contentLength: 'kept' | 'dropped'
  /** Whether the app's reason phrase reaches the client. */
  reason: 'kept' | 'replaced'
  /** What a client sees of a response that breaks off. */
  truncated: 'shown' | 'hidden'
  /** A header of so many octets passes. */
  headLimit: number
  /** A header of so many octets does not; undefined where there is no such limit in reach. */
  headTooLarge?: number
  /** What stands between two Cookie headers of one request. */
  cookieSeparator: '; ' | ', '
  /** Headers with underscores are dropped by the server, or both reach the app, which refuses the ambiguous. */
  underscores: 'dropped' | 'refused'
  /** The url that the app sees, of the one that was sent; undefined where the server answers 404 itself. */
  url(sent: string): string | undefined
  /** The host that counts where the request line names app.example.com and Host another. */
  absoluteHost: string
  /** Whether an app that writes nothing hears of an abort. */
  noticesSilentAbort: boolean
  /** Whether the server keeps connections to the app open. */
  keepsConnections: boolean
  /** Whether the server has several requests open on one connection. */
  multiplexes: boolean
  /** Where SERVER_PORT comes from. */
  serverPort: 'listener' | 'host header'
  /** Whether If-None-Match and the like reach the app. */
  conditions: 'kept' | 'dropped'
}

const COMMON: Traits = {
  forwardedFor: (sent) => sent,
  chunkedUploads: 'counted',
  streamsRequests: false,
  streamsResponses: true,
  contentLength: 'kept',
  reason: 'kept',
  truncated: 'shown',
  headLimit: 12_000,
  cookieSeparator: '; ',
  underscores: 'dropped',
  url: (sent) => sent,
  absoluteHost: 'app.example.com',
  noticesSilentAbort: true,
  keepsConnections: true,
  multiplexes: false,
  serverPort: 'listener',
  conditions: 'kept',
}

const NGINX: Traits = { ...COMMON, headTooLarge: 40_000 }

const NGINX_MINIMAL: Traits = {
  ...NGINX,
  keepsConnections: false,
  streamsResponses: false,
  // fastcgi_buffer_size is 4k by default.
  headLimit: 3_500,
  headTooLarge: 6_000,
}

const APACHE: Traits = {
  ...COMMON,
  // mod_proxy_fcgi passes the decoded body on as it comes.
  chunkedUploads: 'chunked',
  streamsRequests: true,
  // It looks at the client only when it has something to write.
  noticesSilentAbort: false,
  // Two headers of a name are one to Apache before it looks at what they are.
  cookieSeparator: ', ',
  // UseCanonicalPhysicalPort is off.
  serverPort: 'host header',
}

const LIGHTTPD: Traits = {
  ...COMMON,
  reason: 'replaced',
  underscores: 'refused',
}

const HAPROXY: Traits = {
  ...COMMON,
  // tune.bufsize is 16384, and a part of it is kept free.
  headTooLarge: 20_000,
  underscores: 'refused',
  streamsRequests: true,
  // It needs the length of a body before it sends PARAMS, and knows it only where all is in its buffer.
  refusesChunkedMegabyte: 400,
}

export const traits: Readonly<Record<ServerKey, Traits>> = {
  nginx: { ...NGINX, streamsRequests: true, chunkedUploads: 'chunked' },
  nginxMinimal: NGINX_MINIMAL,
  nginxStreaming: { ...NGINX, streamsRequests: true, chunkedUploads: 'chunked' },
  // A cached response is written to its file first; the conditions would spoil the entry for others.
  nginxCache: { ...NGINX, streamsResponses: false, conditions: 'dropped' },
  apache: APACHE,
  // ap_trust_cgilike_cl and flushpackets are not set.
  apacheMinimal: { ...APACHE, contentLength: 'dropped', keepsConnections: false, streamsResponses: false },
  // Reads the whole body first, and one process serves one request at a time.
  modFcgid: { ...APACHE, chunkedUploads: 'counted', streamsRequests: false },
  // Reads as much of its input as CONTENT_LENGTH says, which is nothing where there is none.
  cgiFcgi: { ...APACHE, chunkedUploads: 'lost', streamsRequests: false, keepsConnections: false },
  lighttpd: LIGHTTPD,
  lighttpdSpawn: LIGHTTPD,
  caddy: {
    ...COMMON,
    // Not from a trusted proxy, so Caddy writes its own.
    forwardedFor: () => '127.0.0.1',
    // Go has its own phrases.
    reason: 'replaced',
    chunkedUploads: 'chunked',
    streamsRequests: true,
    cookieSeparator: ', ',
    serverPort: 'host header',
    // Caddy opens a connection for each request.
    keepsConnections: false,
  },
  haproxy: HAPROXY,
  haproxyMultiplexed: { ...HAPROXY, multiplexes: true, truncated: 'hidden' },
  spawnFcgi: NGINX_MINIMAL,
}
