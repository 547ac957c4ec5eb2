/**
 * Real pools under failing callbacks: 1,000 requests for each client, 50 at a time, with and without
 * `recovery.callbacks()`, against a PostgreSQL and a redis-server of its own.
 *
 *   npm run soak -- recovery-pools [--node FILE] [--requests N] [--at-once N] [words of a client's name]
 *
 * The exit status is 1 where an innocent request was answered wrongly, or one whose callbacks are bound was left without an answer.
 */
import { execFileSync } from 'node:child_process'
import { parseArgs } from 'node:util'
import { PostgresServer } from '../../test/support/postgres-server.js'
import { RedisServer } from '../../test/support/redis-server.js'
import { CLIENTS, type ClientName } from '../../test/middleware/recovery/pools/clients.js'
import { load, PoolProgram } from '../../test/middleware/recovery/pools/load.js'

interface Setting {
  client: ClientName
  bound: boolean
  node: string
  requests: number
  atOnce: number
  postgres: PostgresServer
  redis: RedisServer
}

export async function run(args: readonly string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args: [...args],
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
  const settings = { node: values.node, requests: Number(values.requests), atOnce: Number(values['at-once']), postgres, redis }
  let wrong = 0
  try {
    for (const client of Object.keys(CLIENTS) as ClientName[]) {
      if (!positionals.every((word) => client.includes(word))) continue
      for (const bound of [true, false]) wrong += await failWith({ ...settings, client, bound })
    }
  } finally {
    await Promise.all([postgres.stop(), redis.stop()])
  }
  if (wrong > 0) process.exitCode = 1
}

/** How many were answered wrongly, or not at all. */
async function failWith({ client, bound, node, requests, atOnce, postgres, redis }: Setting): Promise<number> {
  const server = client.startsWith('pg') ? { host: postgres.host, port: postgres.port } : { host: '127.0.0.1', port: redis.port }
  const program = await PoolProgram.start({ client, bound, server, intensity: false }, node)
  try {
    const { innocent, wronged, failing, unanswered } = await load(program, requests, atOnce, { traffic: !bound })
    const cells = [client, bound ? 'bound' : 'as they are', innocent, wronged.length, failing, unanswered, program.reports.length]
    console.log(`| ${cells.join(' | ')} |`)
    if (wronged.length > 0) console.log(wronged.slice(0, 5).join('\n'), program.stderr.slice(0, 1000))
    return wronged.length + (bound ? unanswered : 0)
  } finally {
    await program.stop()
  }
}
