/** A primary process with two workers, and its status: `primary.js <directory>`, for app.sock and status.sock. */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { StatusReporter } from '../../../lib/status/status-reporter.js'
import { startStatusServer } from '../../../lib/status/status-server.js'
import { WorkerPool } from '../../../lib/workers/pool.js'

const directory = process.argv[2] ?? ''
const nothing = (): void => undefined
const pool = new WorkerPool({
  place: { kind: 'socket', path: join(directory, 'app.sock'), mode: 0o660, owner: undefined, group: undefined, backlog: 511, replace: false },
  module: fileURLToPath(new URL('app.js', import.meta.url)),
  server: {}, workers: 2, bootTimeout: 60_000, bootPath: '/', stopTimeout: 5000, drainTimeout: 5000, drainDelay: 0, linger: 100,
  recycling: { maxRequests: undefined, maxRss: undefined, maxLifetime: undefined, jitter: 0 },
  emergency: { deaths: 10, interval: 60_000 }, stuckTimeout: undefined, balance: false, nodeArguments: [],
  front: { logs: {}, probes: false, statusPath: undefined },
}, { info: nothing, warn: nothing, error: nothing })
const reporter = new StatusReporter({ observer: pool })
await pool.start()
const server = await startStatusServer({ socket: join(directory, 'status.sock'), reporter })
process.on('message', () => { void pool.stop() })
process.send?.('ready')
await pool.ended
await server.close()
reporter.close()
process.exit()
