/**
 * Real pools under failing callbacks: 1,000 requests for each client, 50 at a time, with and without
 * `recovery.callbacks()`, against a PostgreSQL and a redis-server of its own.
 *
 *   npm run test:recovery-pools -- [--node FILE] [--requests N] [--at-once N] [words of a client's name]
 *
 * Exits with 1 where an innocent request was answered wrongly, or one whose callbacks are bound was left without an answer.
 */
import { execFileSync } from 'node:child_process'
import { parseArgs } from 'node:util'
import { PostgresServer } from '../../../support/postgres-server.js'
import { RedisServer } from '../../../support/redis-server.js'
import { CLIENTS, type ClientName } from './clients.js'
import { load, PoolProgram } from './load.js'

const { values, positionals } = parseArgs({
  options: {
    'node': { type: 'string', default: process.execPath },
    'requests': { type: 'string', default: '1000' },
    'at-once': { type: 'string', default: '50' },
  },
  allowPositionals: true,
})
const postgres = await PostgresServer.start()
const redis = await RedisServer.start()
const version = execFileSync(values.node, ['--version'], { encoding: 'utf8' }).trim()
console.log(`Node ${version}, ${PostgresServer.version()}\n`)
console.log('| client | callbacks | innocent | answered wrongly | failing | without an answer | reports |\n|---|---|---|---|---|---|---|')
let wrong = 0
try {
  for (const client of Object.keys(CLIENTS) as ClientName[]) {
    if (!positionals.every((word) => client.includes(word))) continue
    for (const bound of [true, false]) wrong += await run(client, bound)
  }
} finally {
  await Promise.all([postgres.stop(), redis.stop()])
}
process.exit(wrong === 0 ? 0 : 1)

async function run(client: ClientName, bound: boolean): Promise<number> {
  const server = client.startsWith('pg') ? { host: postgres.host, port: postgres.port } : { host: '127.0.0.1', port: redis.port }
  const program = await PoolProgram.start({ client, bound, server, intensity: false }, values.node)
  try {
    const { innocent, wronged, failing, unanswered } = await load(program, Number(values.requests), Number(values['at-once']), { traffic: !bound })
    const cells = [client, bound ? 'bound' : 'as they are', innocent, wronged.length, failing, unanswered, program.reports.length]
    console.log(`| ${cells.join(' | ')} |`)
    if (wronged.length > 0) console.log(wronged.slice(0, 5).join('\n'), program.stderr.slice(0, 1000))
    return wronged.length + (bound ? unanswered : 0)
  } finally {
    await program.stop()
  }
}
