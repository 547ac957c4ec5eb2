/**
 * The floor: a `net` server that answers bytes computed beforehand, and looks at no more of a request
 * than where it ends. No FastCGI server on Node's `net` can be cheaper.
 */
import { createServer } from 'node:net'
import { ProtocolStatus, RecordType, encodeEndRequest, encodeRecord, encodeStream } from '../../lib/fastcgi/record.js'
import { CASES, CASE_NAMES, HELLO, download, items } from '../cases.js'
import type { CaseName } from '../cases.js'
import { CASE_OCTET, FLAGS_OCTET } from '../wire.js'
import { listen } from './listen.js'

const REQUEST_ID = 1
const REQUEST_END = encodeRecord(RecordType.STDIN, REQUEST_ID)

const bodies: Readonly<Record<CaseName, string | Buffer>> = {
  hello: HELLO,
  json: JSON.stringify(items()),
  download: download(),
  upload: String(CASES.upload.requestOctets),
}
const answers = CASE_NAMES.map((name) => answer(Buffer.from(bodies[name])))

function answer(body: Buffer): Buffer {
  const head = `Status: 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ${String(body.length)}\r\n\r\n`
  return Buffer.concat([
    encodeStream(RecordType.STDOUT, REQUEST_ID, Buffer.concat([Buffer.from(head), body])),
    encodeRecord(RecordType.STDOUT, REQUEST_ID),
    encodeEndRequest(REQUEST_ID, { appStatus: 0, protocolStatus: ProtocolStatus.REQUEST_COMPLETE }),
  ])
}

listen(
  createServer((socket) => {
    let chosen = answers[0]
    let keep = true
    let between = true
    socket.on('data', (chunk: Buffer) => {
      if (between) {
        chosen = answers[chunk[CASE_OCTET] ?? 0]
        keep = chunk[FLAGS_OCTET] === 1
      }
      between = endsRequest(chunk)
      if (!between || !chosen) return
      if (keep) socket.write(chosen)
      else socket.end(chosen)
    })
    socket.on('error', () => undefined)
  }),
)

/** Whether the chunk ends with an empty STDIN record; requests are not pipelined here. */
function endsRequest(chunk: Buffer): boolean {
  const start = chunk.length - REQUEST_END.length
  for (let index = 0; index < REQUEST_END.length; index += 1) {
    if (chunk[start + index] !== REQUEST_END[index]) return false
  }
  return true
}
