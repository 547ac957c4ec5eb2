/** An app with the memory endpoint on /debug/pprof, on everything that it may run on. */
import type { RequestListener } from 'node:http'
import { memoryStats, type MemoryStats, type MemoryStatsOptions } from '../../../middleware/memory.js'
import { AppServer, type Answer, type Carrier, type Handler } from '../../support/app-server.js'

export { CARRIERS, type Answer, type Carrier } from '../../support/app-server.js'

const MOUNT = '/debug/pprof'

export class MemoryServer extends AppServer {
  readonly stats: MemoryStats

  private constructor(carrier: Carrier, stats: MemoryStats, handler: Handler) {
    super({ carrier, endpoint: { path: MOUNT, handle: stats }, handler, gatewayInThread: true })
    this.stats = stats
    this.closers.push(() => { stats.close() })
  }

  /** Everybody may, unless the options say else; `{ authorize: undefined }` leaves it to the endpoint. */
  static async startWith(
    carrier: Carrier,
    options: { [Name in keyof MemoryStatsOptions]?: MemoryStatsOptions[Name] | undefined } = {},
    handler: RequestListener = (_request, response) => { response.end('of the app') },
  ): Promise<MemoryServer> {
    const given = Object.fromEntries(Object.entries({ authorize: () => true, ...options }).filter(([, value]) => value !== undefined)) as MemoryStatsOptions
    return new MemoryServer(carrier, memoryStats(given), handler).listening(true)
  }

  /** A request of its own connection; `path` below the mount. */
  request(method: string, path: string, headers: Record<string, string> = {}, whole = `${MOUNT}/${path}`): ReturnType<AppServer['open']> {
    return this.open(whole, headers, { method })
  }

  get(path: string, headers: Record<string, string> = {}): Promise<Answer> {
    return this.request('GET', path, headers).answer
  }

  post(path: string, headers: Record<string, string> = {}): Promise<Answer> {
    return this.request('POST', path, headers).answer
  }
}
