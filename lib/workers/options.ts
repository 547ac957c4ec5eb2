/** What the pool of workers is told: resolved, nothing downstream knows a default. The command line makes it. */
import { FastCgiError } from '../errors.js'
import type { Place } from '../process/options.js'
import type { FrontConfiguration } from './messages.js'
import type { ServerOptions } from '../server/options.js'

/** When a worker is replaced though it works; undefined is never. Each worker's own limits differ by up to `jitter`. */
export interface RecyclingLimits {
  /** Requests that the app was given, health checks left out. */
  readonly maxRequests: number | undefined
  /** Bytes of memory of the process. */
  readonly maxRss: number | undefined
  /** Milliseconds since it was ready. */
  readonly maxLifetime: number | undefined
  /** A share, 0 to 1: limits are lower by a random part of it, so that workers are not replaced together. */
  readonly jitter: number
}

/** All that the pool of workers is told. */
export interface PoolConfiguration {
  readonly place: Place
  /** The module that exports the app: an absolute path. */
  readonly module: string
  /** Options of `createServer()`. */
  readonly server: ServerOptions
  readonly workers: number
  /** For how long a new worker may take until it answers, in milliseconds. */
  readonly bootTimeout: number
  /** The path of the request by which it shows that it answers; undefined where none is made. */
  readonly bootPath: string | undefined
  /** For how long a stop waits for requests in flight, in milliseconds. */
  readonly stopTimeout: number
  /** The same for workers that others have replaced already, in milliseconds. */
  readonly drainTimeout: number
  /** How long a stop goes on accepting, in milliseconds, for balancers that notice late. */
  readonly drainDelay: number
  /** How long the web server may keep an idle connection to a worker that leaves, in milliseconds. */
  readonly linger: number
  readonly recycling: RecyclingLimits
  /** When more workers than `deaths` have died by themselves within `interval` milliseconds, the pool gives up. */
  readonly emergency: { readonly deaths: number, readonly interval: number }
  /** A worker whose event loop stands still for so many milliseconds is replaced; undefined: nobody looks. */
  readonly stuckTimeout: number | undefined
  /** Whether kept connections are moved to workers that have time. */
  readonly balance: boolean
  readonly front: FrontConfiguration
  /** Arguments of node for the workers, such as `--import`. */
  readonly nodeArguments: readonly string[]
}

/** Where the pool says what happens; pino's loggers have this shape. */
export interface PoolLog {
  info: (fields: object, message: string) => void
  warn: (fields: object, message: string) => void
  error: (fields: object, message: string) => void
}

/** Where workers listen cannot change while they do. @throws FastCgiError ERR_FCGI_RELOAD */
export function refuseMove(before: PoolConfiguration, after: PoolConfiguration): void {
  if (JSON.stringify(after.place) === JSON.stringify(before.place)) return
  throw new FastCgiError('ERR_FCGI_RELOAD', 'socket, port, fd, mode, owner, group, backlog and replace cannot change in a reload. Stop the process and start it again')
}
