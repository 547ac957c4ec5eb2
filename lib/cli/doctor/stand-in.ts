/**
 * Stands in for an app that does not run: a FastCGI server on its socket or port, for the time of a check. It reads records itself,
 * because a request that lacks its params would be refused before any app sees it. It never takes the place of one that listens.
 */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, rmdirSync, statSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { dirname } from 'node:path'
import { codeOf } from '../../../shared/errors.js'
import { decodePairs } from '../../fastcgi/params.js'
import { RecordReader, RecordType, decodeBeginRequest, encodeEndRequest, encodeRecord, encodeStream } from '../../fastcgi/record.js'
import { FastCgiError } from '../../errors.js'
import { AddressInUseError } from '../../process/errors.js'
import { listenOnSocketFile, type SocketFile } from '../../process/socket-file.js'
import { HeldPieces, diagnosticAnswer, readMark, type Arrival } from '../../server/diagnostics.js'
import { HTTP_ANSWER, isHttp } from '../../server/other-protocols.js'
import { shown, type AppPlace } from './app-place.js'
import type { ArrivalSource } from './arrival-source.js'

/** Requests that are kept at most: visitors of the site may come meanwhile. */
const MAX_ARRIVALS = 1000
const BACKLOG = 511
const LISTEN_REMEDIES: Readonly<Record<string, string>> = {
  EADDRNOTAVAIL: 'It is no address of this machine: run the doctor where the app runs',
  ENOTFOUND: 'The name has no address: give one, such as 127.0.0.1:9000',
  EACCES: 'Ports below 1024 are for root: run the doctor as root',
}
/** Where no app has left a socket whose mode could be taken over. The stand-in answers nothing but the doctor's requests. */
const OPEN_MODE = 0o666
const PERMISSION_BITS = 0o777

const FOREIGN = 'Status: 503 Service Unavailable\r\nContent-Type: text/plain\r\nRetry-After: 5\r\n\r\nexpress-responder doctor is at work here.\n'

/** Who may connect to the stand-in's socket: as the app would have it. */
export interface StandInAccess {
  readonly mode: number | undefined
  readonly owner: string | number | undefined
  readonly group: string | number | undefined
}

interface Request {
  arrival: Arrival
  readonly params: Buffer[]
  bodyBytes: number
}

/**
 * Listens in the app's place. A stale socket file is replaced by one of the same mode and owner; a directory that is missing is made, and
 * taken away at the end.
 *
 * @throws AddressInUseError EADDRINUSE where somebody listens; FastCgiError as serve() does, ERR_FCGI_OPTION where nobody can listen on the port
 */
export async function standIn(place: AppPlace, access: StandInAccess): Promise<ArrivalSource> {
  const stand = new StandIn()
  if (place.kind === 'port') {
    await stand.listenOnPort(place)
    return sourceOf(stand, () => undefined)
  }
  const directory = dirname(place.path)
  const made = makeDirectory(directory)
  try {
    await stand.listen(place.path, access)
  } catch (error) {
    if (made) rmdirSync(directory)
    throw error
  }
  return sourceOf(stand, () => {
    if (made) removeIfEmpty(directory)
  })
}

function sourceOf(stand: StandIn, tidyUp: () => void): ArrivalSource {
  return {
    token: stand.token,
    idleLimit: undefined,
    trustsForwarded: false,
    arrivals: () => Promise.resolve(stand.arrivals),
    http: () => stand.http,
    release: (name) => Promise.resolve(stand.held.release(name)),
    async close() {
      await stand.close()
      tidyUp()
    },
  }
}

function makeDirectory(directory: string): boolean {
  try {
    mkdirSync(directory, { mode: 0o755 })
    return true
  } catch {
    return false
  }
}

function removeIfEmpty(directory: string): void {
  try {
    rmdirSync(directory)
  } catch (error) {
    // The app has begun to use it meanwhile.
    if (codeOf(error) !== 'ENOTEMPTY' && codeOf(error) !== 'ENOENT') throw error
  }
}

/** Mode and owner of the file that an app has left at the path. */
function leftAccess(path: string): { mode: number, owner: number, group: number } | undefined {
  try {
    const stats = statSync(path)
    return stats.isSocket() ? { mode: stats.mode & PERMISSION_BITS, owner: stats.uid, group: stats.gid } : undefined
  } catch {
    return undefined
  }
}

class StandIn {
  readonly token = randomBytes(16).toString('hex')
  http: string | undefined
  readonly held = new HeldPieces()
  readonly #requests: Request[] = []
  readonly #sockets = new Set<Socket>()
  readonly #server: Server
  #file: SocketFile | undefined
  #connections = 0

  constructor() {
    this.#server = createServer((socket) => {
      this.#serve(socket)
    })
  }

  get arrivals(): Arrival[] {
    return this.#requests.map(({ arrival, bodyBytes }) => ({ ...arrival, bodyBytes }))
  }

  async listen(path: string, { mode, owner, group }: StandInAccess): Promise<void> {
    const left = leftAccess(path)
    this.#file = await listenOnSocketFile(this.#server, {
      path, mode: mode ?? left?.mode ?? OPEN_MODE, owner: owner ?? left?.owner, group: group ?? left?.group, backlog: BACKLOG, replace: false,
    })
  }

  async listenOnPort(place: Extract<AppPlace, { kind: 'port' }>): Promise<void> {
    this.#server.listen({ host: place.host, port: place.port, backlog: BACKLOG })
    try {
      await once(this.#server, 'listening')
    } catch (error) {
      const code = codeOf(error) ?? ''
      if (code === 'EADDRINUSE') throw new AddressInUseError(shown(place), 'a process listens at', 'port')
      const remedy = LISTEN_REMEDIES[code] ?? 'Give an address of this machine'
      throw new FastCgiError('ERR_FCGI_OPTION', `doctor: option --port is '${shown(place)}': nobody can listen there (${code}). ${remedy}`, { cause: error })
    }
  }

  close(): Promise<void> {
    this.held.clear()
    return new Promise((resolve) => {
      this.#server.close(() => {
        resolve()
      })
      this.#file?.remove()
      for (const socket of this.#sockets) socket.destroy()
    })
  }

  #serve(socket: Socket): void {
    const connection = ++this.#connections
    const requests = new Map<number, Request>()
    this.#sockets.add(socket)
    socket.on('error', () => undefined).on('close', () => this.#sockets.delete(socket))
    let isFirst = true
    const reader = new RecordReader({
      onBadVersion: () => socket.destroy(),
      onRecord: (type, requestId, chunk, start, end, more) => {
        const content = Buffer.from(chunk.subarray(start, end))
        if (type === RecordType.BEGIN_REQUEST) this.#begin(requests, connection, requestId, content)
        else this.#take(socket, requests.get(requestId), type, content, content.length === 0 && !more)
        return true
      },
    })
    socket.on('data', (chunk) => {
      if (isFirst && isHttp(chunk[0] ?? 0)) {
        this.http ??= chunk.toString('latin1').split('\r\n')[0] ?? ''
        socket.end(HTTP_ANSWER)
      } else reader.read(chunk)
      isFirst = false
    })
  }

  #begin(requests: Map<number, Request>, connection: number, requestId: number, content: Buffer): void {
    const { role = 0, keepConnection = false } = decodeBeginRequest(content) ?? {}
    const arrival = { name: '', connection, reused: requests.size > 0, requestId, role, keepConnection, params: [], bodyBytes: 0 }
    const request = { arrival, params: [], bodyBytes: 0 }
    requests.set(requestId, request)
    if (this.#requests.length < MAX_ARRIVALS) this.#requests.push(request)
  }

  #take(socket: Socket, request: Request | undefined, type: number, content: Buffer, ends: boolean): void {
    if (request === undefined) return
    if (type === RecordType.PARAMS) {
      if (!ends) request.params.push(content)
      else request.arrival = { ...request.arrival, params: decodePairs(Buffer.concat(request.params)) ?? [] }
    } else if (type === RecordType.STDIN) {
      request.bodyBytes += content.length
      if (ends) this.#answer(socket, request)
    }
  }

  #answer(socket: Socket, request: Request): void {
    const { params, requestId, keepConnection } = request.arrival
    const mark = params.map(([, value]) => readMark(value, this.token)).find((found) => found !== undefined)
    const end = (): void => {
      if (socket.destroyed) return
      socket.write(Buffer.concat([encodeRecord(RecordType.STDOUT, requestId), encodeEndRequest(requestId, { appStatus: 0, protocolStatus: 0 })]))
      if (!keepConnection) socket.end()
    }
    const write = (text: string): void => {
      if (!socket.destroyed) socket.write(encodeStream(RecordType.STDOUT, requestId, Buffer.from(text, 'latin1')))
    }
    if (mark === undefined) {
      write(FOREIGN)
      end()
      return
    }
    request.arrival = { ...request.arrival, name: mark.name }
    const { headers, pieces } = diagnosticAnswer(mark.command, { ...request.arrival, bodyBytes: request.bodyBytes })
    const head = ['Status: 200 OK', ...headers.map(([name, value]) => `${name}: ${value}`)].join('\r\n')
    const [first = '', ...rest] = pieces
    write(`${head}\r\n\r\n${first}`)
    const finish = (): void => {
      write(rest.join(''))
      end()
    }
    if (rest.length === 0) end()
    else this.held.hold(mark.name, finish)
  }
}
