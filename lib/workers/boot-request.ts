/** The request by which a new worker shows that its app answers, made inside the process: nobody else sees it. */
import { duplexPair } from 'node:stream'
import type { Server } from 'node:http'
import { RecordReader, RecordType, Role, encodeBeginRequest, encodeRecord, encodeStream, type RecordConsumer } from '../fastcgi/record.js'
import { encodePairs } from '../fastcgi/params.js'
import { FastCgiError } from '../errors.js'

const REQUEST_ID = 1
/** So much of the head is enough to find the status in it. */
const MAX_HEAD = 65_536

/**
 * Makes a GET request of the server's app.
 *
 * @param path such as `/`; a query may follow
 * @returns the status of the response
 * @throws FastCgiError ERR_FCGI_BOOT where the status is 500 or more, or there is no response
 */
export async function proveApp(server: Server, path: string): Promise<number> {
  const [near, far] = duplexPair()
  const answer = new Promise<string>((resolve, reject) => {
    const response = new BootResponse(resolve)
    const reader = new RecordReader(response)
    near.on('data', (chunk: Buffer) => {
      reader.read(chunk, 0, chunk.length)
    })
    near.on('close', () => {
      reject(new FastCgiError('ERR_FCGI_BOOT', `the app broke off its answer to GET ${path}, the request that a new worker is tried with`))
    })
  })
  server.emit('connection', far)
  near.write(Buffer.concat([
    encodeBeginRequest(REQUEST_ID, { role: Role.RESPONDER, keepConnection: false }),
    encodeStream(RecordType.PARAMS, REQUEST_ID, encodePairs(paramsFor(path))),
    encodeRecord(RecordType.PARAMS, REQUEST_ID),
    encodeRecord(RecordType.STDIN, REQUEST_ID),
  ]))
  try {
    const status = Number(/^Status: (\d{3})/m.exec(await answer)?.[1] ?? 200)
    if (status < 500) return status
    throw new FastCgiError('ERR_FCGI_BOOT',
      `the app answered ${String(status)} to GET ${path}, the request that a new worker is tried with. Mend the app, or name another path by boot-path, or none by boot-path=off.`)
  } finally {
    // Not at once: the response is over only when its last write is done, and a write that is under way would never be.
    setImmediate(() => {
      near.destroy()
      far.destroy()
    })
  }
}

function paramsFor(path: string): [string, string][] {
  const question = path.indexOf('?')
  return [
    ['REQUEST_METHOD', 'GET'],
    ['REQUEST_URI', path],
    ['DOCUMENT_URI', question === -1 ? path : path.slice(0, question)],
    ['QUERY_STRING', question === -1 ? '' : path.slice(question + 1)],
    ['SERVER_PROTOCOL', 'HTTP/1.1'],
    ['GATEWAY_INTERFACE', 'CGI/1.1'],
    ['SERVER_SOFTWARE', 'express-responder'],
    ['SERVER_NAME', 'localhost'],
    ['SERVER_PORT', '80'],
    ['REMOTE_ADDR', '127.0.0.1'],
    ['REMOTE_PORT', '0'],
    ['CONTENT_LENGTH', ''],
    ['HTTP_HOST', 'localhost'],
    ['HTTP_USER_AGENT', 'express-responder boot request'],
  ]
}

/** The head of the response, told at END_REQUEST. */
class BootResponse implements RecordConsumer {
  readonly #whole: (head: string) => void
  #head = ''

  constructor(whole: (head: string) => void) {
    this.#whole = whole
  }

  onRecord(type: number, _requestId: number, chunk: Uint8Array, start: number, end: number): boolean {
    if (type === RecordType.STDOUT && this.#head.length < MAX_HEAD) this.#head += Buffer.from(chunk.subarray(start, end)).toString('latin1')
    else if (type === RecordType.END_REQUEST) this.#whole(this.#head.split(/\r?\n\r?\n/, 1)[0] ?? '')
    return true
  }

  onBadVersion(): void {
    // A broken-off response ends in bytes that are no record; the connection closes.
  }
}
