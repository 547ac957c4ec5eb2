/** Judges what became of the answers on their way to the client, and of uploads. Facts in, findings out. Pure. */
import type { Conversation, Exchange, Facts } from './facts.js'
import type { Finding } from './finding.js'
import { lineFor } from './lines.js'

/** All findings on answers. */
export function checkAnswers(facts: Facts, conversation: Conversation): Finding[] {
  const line = lineFor(facts)
  const of = (name: string): Exchange | undefined => conversation.exchanges.find((exchange) => exchange.name === name)
  const arrived = (name: string): boolean => conversation.arrivals.some((arrival) => arrival.name === name)
  const failed = (name: string): Exchange | undefined => arrived(name) && of(name)?.status !== 200 ? of(name) : undefined
  const findings: Finding[] = []
  const head = failed('large-head')
  if (head !== undefined) findings.push(line('head-size', 'A response head of 8 kB is an error: a large cookie or Content-Security-Policy is enough.', answered(head)))
  const many = failed('many-headers')
  // h2o has no setting for it.
  if (many !== undefined && facts.server !== 'h2o') findings.push(line('header-count', 'A response with more than 100 headers is an error.', answered(many)))
  findings.push(...checkStreams(facts, of('events'), of('stream')), ...checkUpload(facts, of('upload'), conversation), ...checkHeaders(facts, of('compressed')))
  return findings
}

function answered({ status, error }: Exchange): string {
  return status === 0 ? error ?? 'no answer' : `the client got ${String(status)}`
}

function checkStreams(facts: Facts, events: Exchange | undefined, stream: Exchange | undefined): Finding[] {
  const line = lineFor(facts)
  const evidence = 'the client got nothing of the first piece until the second was written'
  if (events?.status === 200 && events.streamed === false) return [line('events', 'Server-sent events come late: the web server gathers them.', evidence)]
  if (stream?.status === 200 && stream.streamed === false && !gathersByTls(facts)) {
    return [line('stream', 'A response that is written in pieces comes late: the web server gathers it. Server-sent events pass.', evidence)]
  }
  return []
}

/** Over HTTPS nginx gathers what it buffers, whatever is set for connections: no fault of the configuration, and the manual says so. */
function gathersByTls({ server, conversation }: Facts): boolean {
  return server === 'nginx' && conversation?.url.protocol === 'https:' && conversation.arrivals.some(({ name, keepConnection }) => name === 'stream' && keepConnection)
}

/** Statuses that tell nothing of an upload's size: the web server takes no POST, or it has not reached the app. */
const NOT_FOR_SIZE = new Set([403, 405, 502, 503, 504])
/** What an app that runs answers by itself, before a request is made: the body was cut off, or its own limit is smaller. */
const CUT_OFF = /^The request has \d+ bytes of content/
const OWN_LIMIT = 'The request body is larger than'

function checkUpload(facts: Facts, upload: Exchange | undefined, { arrivals, isShared }: Conversation): Finding[] {
  if (upload === undefined) return []
  const line = lineFor(facts)
  const arrival = arrivals.find(({ name }) => name === 'upload')
  if (upload.status === 200 && arrival?.bodyBytes === upload.bodyBytes) return []
  // Another app has answered it, or the site takes no uploads, or a kept connection was closed meanwhile.
  if (arrival === undefined && upload.status !== 413 && (isShared || NOT_FOR_SIZE.has(upload.status))) return []
  if (upload.text.startsWith(OWN_LIMIT)) return []
  if (CUT_OFF.test(upload.text)) return [line('upload-lost', 'An upload arrives incomplete.', `${answered(upload)}: ${upload.text}`)]
  if (upload.status === 413 || arrival === undefined) {
    return [line('upload-size', `An upload of ${String(upload.bodyBytes)} bytes is refused by the web server.`, `${answered(upload)}, and the app was not asked`)]
  }
  return [line('upload-lost', 'An upload arrives incomplete.', `${String(upload.bodyBytes)} bytes were sent, ${String(arrival.bodyBytes)} arrived, and ${answered(upload)}`)]
}

function checkHeaders(facts: Facts, compressed: Exchange | undefined): Finding[] {
  if (compressed?.status !== 200) return []
  const line = lineFor(facts)
  const { headers } = compressed
  const findings: Finding[] = []
  const etag = headers['etag']
  if (typeof etag === 'string' && etag.replace(/^W\//, '') !== '"doctor"') {
    findings.push(line('etag', 'The web server changes ETags: the app never finds its own again, and never answers 304.', `written "doctor", arrived ${etag}`))
  }
  if (headers['status'] !== undefined) {
    findings.push(line('status-header', 'The header Status, by which FastCGI carries the status, goes on to the client.', `the client got Status: ${String(headers['status'])}`))
  }
  return findings
}
