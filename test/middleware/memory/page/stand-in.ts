/** A server that answers as the memory endpoint does, with made-up data: the page's own files are the real ones. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { pageRoutes } from '../../../../middleware/memory/routes/page.js'
import { sendProblem } from '../../../../middleware/shared/problem.js'
import { CALL_SITES, history, settleReport } from './histories.js'

export interface Reply {
  status?: number
  body?: unknown
  headers?: Readonly<Record<string, string>>
}

const MOUNT = '/debug/pprof/'

export class StandIn {
  /** The page's address, once it listens. */
  address = ''
  /** What came, such as `POST mark`; the queries too. */
  readonly requests: string[] = []
  /** By method and path; changed by tests. */
  readonly replies = new Map<string, Reply | ((query: URLSearchParams) => Reply)>([
    ['GET history', { body: history() }],
    ['GET callsites', { body: CALL_SITES }],
    ['POST mark', { body: {} }],
    ['POST settle', { body: settleReport() }],
    ['POST gc', { body: {} }],
  ])
  readonly #server: Server
  readonly #streams = new Set<ServerResponse>()
  #waiting: (() => void)[] = []

  constructor() {
    const routes = new Map(pageRoutes().map(({ path, handle }) => [path, handle]))
    this.#server = createServer((request, response) => {
      const path = (request.url ?? '').split('?')[0]?.split('/').at(-1) ?? ''
      const handle = routes.get(path)
      if (handle !== undefined) void handle(request, response)
      else this.#answer(request, response, path)
    })
  }

  async listen(port = 0): Promise<this> {
    this.#server.listen(port, '127.0.0.1')
    await once(this.#server, 'listening')
    const address = this.#server.address()
    this.address = `http://127.0.0.1:${String(typeof address === 'object' ? address?.port : '')}${MOUNT}`
    return this
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  /** When a page listens. */
  async streaming(): Promise<void> {
    if (this.#streams.size > 0) return
    await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  send(event: string, message: unknown): void {
    for (const stream of this.#streams) stream.write(`event: ${event}\ndata: ${JSON.stringify(message)}\n\n`)
  }

  /** As when the app is started again. */
  breakStreams(): void {
    for (const stream of this.#streams) stream.destroy()
  }

  #answer(request: IncomingMessage, response: ServerResponse, path: string): void {
    const query = new URLSearchParams(request.url?.split('?')[1])
    this.requests.push(`${request.method ?? ''} ${path}${query.size > 0 ? `?${query.toString()}` : ''}`)
    const given = this.replies.get(`${request.method ?? ''} ${path}`)
    const reply = typeof given === 'function' ? given(query) : given
    if (path === 'events' && reply === undefined) this.#stream(response)
    else if (reply === undefined) sendProblem(request, response, { status: 404 })
    else if ((reply.status ?? 200) >= 400) sendProblem(request, response, { status: reply.status ?? 500, ...(reply.body as object) }, reply.headers)
    else {
      response.writeHead(reply.status ?? 200, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store', ...reply.headers })
      response.end(typeof reply.body === 'string' ? reply.body : JSON.stringify(reply.body))
    }
  }

  #stream(response: ServerResponse): void {
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' })
    // Browsers wait three seconds before they come again where the server says nothing.
    response.write('retry: 50\n\n')
    this.#streams.add(response)
    response.once('close', () => this.#streams.delete(response))
    for (const resolve of this.#waiting.splice(0)) resolve()
  }
}
