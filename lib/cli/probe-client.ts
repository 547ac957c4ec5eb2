/**
 * Asks a program that runs whether it lives, or is ready, as an exec probe does: on the socket that the web server connects to, or on
 * the status socket. Whether it lives, FCGI_GET_VALUES tells: a worker has accepted, and its event loop turns. No app is asked.
 */
import { connect, type NetConnectOpts, type Socket } from 'node:net'
import { codeOf } from '../../shared/errors.js'
import { RecordReader, RecordType } from '../fastcgi/record.js'
import { GET_VALUES, REQUEST_ID, encodeGet } from './doctor/ask-socket.js'
import { NoAnswerError, askOverSocket } from './socket-client.js'

/** What is asked. */
export type Probe = 'live' | 'ready'

/** Why the answer is no, in words with the remedy; undefined where it is yes. */
export type Objection = string | undefined

/** A full cap is no reason here: what asks would take this program from its visitors, and the others would be full next. */
const READINESS = '/readyz?exclude=capped'
/** The answer to a probe is a word. More is no answer to a probe. */
const MOST_BYTES = 65_536
const OTHER_HTTP = 'what listens there speaks HTTP. Give the socket that the web server connects to, or the status socket'
const REASONS = /^(?:starting|draining|capped)\n$/

/** What came back on the connection. */
type Reply =
  | { readonly kind: 'values' }
  | { readonly kind: 'answer', readonly text: string }
  | { readonly kind: 'http' | 'closed' | 'silent' }
  | { readonly kind: 'failed', readonly code: string }

/** Asks. @param limit milliseconds for the whole answer */
export async function probe(target: string, question: Probe, limit: number): Promise<Objection> {
  const place = placeOf(target)
  const reply = await exchange(place, question, limit)
  switch (reply.kind) {
    case 'values': return undefined
    case 'answer': return judge(reply.text)
    case 'http': return askStatusSocket(place, question, limit)
    case 'closed': return 'the connection was closed without an answer: what listens there does not speak FastCGI, or is ending'
    case 'silent': return `no answer within ${String(limit)} ms: the event loop of each worker is blocked, or the program is stopped. Look at it with ps, and say --stuck-timeout to have such workers replaced`
    case 'failed': return unreachable(reply.code)
  }
}

/** A path, a port of this machine, or an address and a port. */
function placeOf(target: string): NetConnectOpts {
  const [, host = '', port = ''] = /^(?:\[?([^/]*?)\]?:)?(\d{1,5})$/.exec(target) ?? []
  if (port === '') return { path: target.replace(/^unix:/, '') }
  return { host: host === '' ? '127.0.0.1' : host, port: Number(port) }
}

function exchange(place: NetConnectOpts, question: Probe, limit: number): Promise<Reply> {
  return new Promise((resolve) => {
    const settle = (reply: Reply): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve(reply)
    }
    const timer = setTimeout(settle, limit, { kind: 'silent' })
    let socket: Socket
    try {
      socket = connect(place)
    } catch (error) {
      // A port of more than 65535.
      clearTimeout(timer)
      resolve({ kind: 'failed', code: codeOf(error) ?? String(error) })
      return
    }
    const answer = readReply(question, settle)
    socket.on('error', (error) => { settle({ kind: 'failed', code: codeOf(error) ?? error.message }) })
    socket.on('end', () => { settle({ kind: 'closed' }) })
    socket.on('data', answer)
    socket.write(question === 'live' ? GET_VALUES : encodeGet(new URL(READINESS, 'http://localhost/'), { asker: 'express-responder check', keepConnection: false }))
  })
}

/** @returns what reads the bytes of the connection, and settles once they are an answer */
function readReply(question: Probe, settle: (reply: Reply) => void): (bytes: Buffer) => void {
  let text = ''
  let isFirst = true
  const reader = new RecordReader({
    onBadVersion: () => { settle({ kind: 'closed' }) },
    onRecord: (type, requestId, chunk, start, end) => {
      if (type === RecordType.GET_VALUES_RESULT && question === 'live') {
        settle({ kind: 'values' })
        return false
      }
      if (requestId !== REQUEST_ID) return true
      if (type === RecordType.STDOUT) text += Buffer.from(chunk.subarray(start, end)).toString('latin1')
      if (type !== RecordType.END_REQUEST && text.length < MOST_BYTES) return true
      settle({ kind: 'answer', text })
      return false
    },
  })
  return (bytes) => {
    if (isFirst && bytes.toString('latin1').startsWith('HTTP/')) settle({ kind: 'http' })
    else reader.read(bytes)
    isFirst = false
  }
}

/** What the worker's probe answers, or the app where the program has no probes. */
function judge(text: string): Objection {
  const [head = '', body = ''] = text.split(/\r?\n\r?\n/)
  const status = Number(/^Status: *(\d{3})/im.exec(head)?.[1] ?? 200)
  return isProbe(status, body) ? objectionOf(status, body) :
    `the app itself has answered /readyz (status ${String(status)}). Start the program with --probes, or ask its status socket`
}

function isProbe(status: number, body: string): boolean {
  return (status === 200 && body === 'ok\n') || (status === 503 && REASONS.test(body))
}

function objectionOf(status: number, body: string): Objection {
  return status === 200 ? undefined : `not ready: ${body.trim()}`
}

/** The status socket speaks HTTP, and tells of all workers together. */
async function askStatusSocket(place: NetConnectOpts, question: Probe, limit: number): Promise<Objection> {
  const path = question === 'live' ? '/livez' : READINESS
  try {
    if (!('path' in place)) return OTHER_HTTP
    const { status, body } = await askOverSocket(place.path, { method: 'GET', path, timeout: limit })
    return isProbe(status, body) ? objectionOf(status, body) : OTHER_HTTP
  } catch (error) {
    return error instanceof NoAnswerError ? `no answer within ${String(limit)} ms: the primary process is stopped or very busy` : OTHER_HTTP
  }
}

function unreachable(code: string): Objection {
  switch (code) {
    case 'ENOENT': return 'there is no such socket: the program does not run, or listens elsewhere (ENOENT)'
    case 'ECONNREFUSED': return 'nobody listens there: the program has ended, or has not begun (ECONNREFUSED)'
    case 'EACCES': case 'EPERM': return `permission denied: ask as the user who runs the program, or one of the socket's group (${code})`
    case 'EAGAIN': return 'the queue of the socket is full: no worker accepts (EAGAIN)'
    default: return `it cannot be connected to (${code})`
  }
}
