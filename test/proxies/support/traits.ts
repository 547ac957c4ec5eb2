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
  /** When the app hears of a request with a body (below /uploads/), and in what portions it gets the body. */
  uploads: 'as they come' | 'in large portions' | 'after a large portion' | 'whole'
  /** Whether the client has parts of any response before it is whole. Event streams it always has, as they are written. */
  streamsResponses: boolean
  /** Whether the app's Content-Length reaches the client. */
  contentLength: 'kept' | 'dropped'
  /** Whether the app's reason phrase reaches the client. */
  reason: 'kept' | 'replaced'
  /** Whether a client can see that a response broke off. */
  truncated: 'shown' | 'hidden without length' | 'hidden'
  /** A header of so many octets passes. */
  headLimit: number
  /** A header of so many octets does not; undefined where there is no such limit in reach. */
  headTooLarge?: number
  /** What stands between two Cookie headers of one request. */
  cookieSeparator: '; ' | ', ' | ';'
  /** Headers with underscores are dropped by the server, or both reach the app, which refuses the ambiguous. */
  underscores: 'dropped' | 'refused'
  /** The url that the app sees, of the one that was sent; undefined where the server answers 404 itself. */
  url(sent: string): string | undefined
  /** The host that counts where the request line names app.example.com and Host another; 'refused': the server answers 400. */
  absoluteHost: string
  /** When the app hears that a client has gone. */
  aborts: 'at once' | 'when it writes' | 'never'
  /** Whether the answer to an upload that the app does not read reaches the client. */
  earlyAnswers: 'kept' | 'lost'
  /** Whether the server keeps connections to the app open. */
  keepsConnections: boolean
  /** Whether the server has several requests open on one connection. */
  multiplexes: boolean
  /** Where SERVER_PORT comes from. */
  serverPort: 'listener' | 'host header'
}

const COMMON: Traits = {
  forwardedFor: (sent) => sent,
  chunkedUploads: 'counted',
  uploads: 'whole',
  streamsResponses: true,
  contentLength: 'kept',
  reason: 'kept',
  truncated: 'shown',
  headLimit: 12_000,
  cookieSeparator: '; ',
  underscores: 'dropped',
  url: (sent) => sent,
  absoluteHost: 'app.example.com',
  aborts: 'at once',
  earlyAnswers: 'kept',
  keepsConnections: true,
  multiplexes: false,
  serverPort: 'listener',
}

const NGINX: Traits = { ...COMMON, headTooLarge: 40_000 }

const NGINX_MINIMAL: Traits = {
  ...NGINX,
  keepsConnections: false,
}

const APACHE: Traits = {
  ...COMMON,
  // mod_proxy_fcgi passes the decoded body on as it comes.
  chunkedUploads: 'chunked',
  uploads: 'as they come',
  // It looks at the client only when it has something to write.
  aborts: 'when it writes',
  // Two headers of a name are one to Apache before it looks at what they are.
  cookieSeparator: ', ',
  // UseCanonicalPhysicalPort is off.
  serverPort: 'host header',
  // A line of the head has room for 8192 octets.
  headLimit: 7_000,
  headTooLarge: 12_000,
}

// Reads the whole body first, and one process serves one request at a time.
const MOD_FCGID: Traits = {
  ...APACHE,
  chunkedUploads: 'counted',
  uploads: 'whole',
  truncated: 'hidden without length',
}

const LIGHTTPD: Traits = {
  ...COMMON,
  absoluteHost: 'refused',
  reason: 'replaced',
  underscores: 'refused',
  // It looks at the client only when it has something to write.
  aborts: 'when it writes',
  // It asks the app to close after each response.
  keepsConnections: false,
}

const HAPROXY: Traits = {
  ...COMMON,
  absoluteHost: 'refused',
  // tune.bufsize is 32768 in the example.
  headTooLarge: 40_000,
  // Version 2.6 sends no ABORT_REQUEST; it closes the connection once the app writes more.
  aborts: 'when it writes',
  // It waits until its buffer is full or the body is whole.
  uploads: 'after a large portion',
  // It needs the length of a body before it sends PARAMS, and knows it only where all is in its buffer.
  refusesChunkedMegabyte: 400,
}

const H2O: Traits = {
  ...COMMON,
  // It believes the Host header.
  absoluteHost: 'evil.example.net',
  // It joins them as HTTP/2 does, without the space.
  cookieSeparator: ';',
  underscores: 'refused',
  // An error in reading is an end to it; only a length shows what is missing.
  truncated: 'hidden without length',
  // It looks at the client only when it has something to write.
  aborts: 'when it writes',
  // Kept connections are what it aborts with.
  keepsConnections: false,
}

export const traits: Readonly<Record<ServerKey, Traits>> = {
  nginx: NGINX,
  nginxMinimal: NGINX_MINIMAL,
  nginxStreaming: { ...NGINX, uploads: 'as they come', chunkedUploads: 'chunked' },
  nginxCache: {
    ...NGINX,
    // The response may be of use for the cache, so nginx waits for its head at least.
    aborts: 'when it writes',
  },
  apache: APACHE,
  // ap_trust_cgilike_cl is not set.
  apacheMinimal: { ...APACHE, contentLength: 'dropped', keepsConnections: false },
  modFcgid: MOD_FCGID,
  // Reads as much of its input as CONTENT_LENGTH says, which is nothing where there is none.
  cgiFcgi: {
    ...APACHE,
    chunkedUploads: 'lost',
    uploads: 'whole',
    keepsConnections: false,
    // CGI has no way to say that a response broke off, and Apache counts what came where it came at once.
    truncated: 'hidden',
    // mod_deflate, which looks at text, waits for the end of what a CGI program writes.
    streamsResponses: false,
    // The program ends with the response, and Apache gives up because it cannot hand it the rest of the body.
    earlyAnswers: 'lost',
  },
  lighttpd: LIGHTTPD,
  lighttpdSpawn: LIGHTTPD,
  caddy: {
    ...COMMON,
    // Not from a trusted proxy, so Caddy writes its own.
    forwardedFor: () => '127.0.0.1',
    // Go has its own phrases.
    reason: 'replaced',
    chunkedUploads: 'chunked',
    // Its writer gathers 64 KiB of body before it sends any.
    uploads: 'in large portions',
    // An error in reading is an end to Caddy; only a length shows what is missing.
    truncated: 'hidden without length',
    // It looks at the client only when it has something to write.
    aborts: 'when it writes',
    cookieSeparator: ', ',
    serverPort: 'host header',
    // Caddy opens a connection for each request.
    keepsConnections: false,
  },
  haproxy: HAPROXY,
  // It cannot close a connection that others share, neither to tell the app nor to be told by it.
  haproxyMultiplexed: { ...HAPROXY, multiplexes: true, truncated: 'hidden without length', aborts: 'never' },
  h2o: H2O,
  spawnFcgi: NGINX_MINIMAL,
}
