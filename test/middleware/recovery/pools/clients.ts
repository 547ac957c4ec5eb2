/** Clients as sites have them: each asks its server for something, and calls back. */
import { createRequire } from 'node:module'
import { Redis } from 'ioredis'
import pg from 'pg'
import { createClient } from 'redis'
import { recovery } from '../../../../middleware/recovery.js'

/** Asks for something that takes a moment; the callback gets no error. */
export type Query = (callback: () => void) => void

type Connect = (server: { host: string; port: number }, bound: boolean) => Query

/** As far as it is used here: it has no types of its own. */
interface LegacyRedis {
  createClient(options: { host: string; port: number }): LegacyCommands & { multi(): LegacyCommands & { exec(callback: (error: unknown) => void): boolean } }
}

interface LegacyCommands {
  echo(text: string, callback?: (error: unknown) => void): unknown
}

const failing = (callback: () => void) => (error: unknown): void => {
  if (error instanceof Error) throw error
  callback()
}

export type ClientName = 'pg' | 'pg, one connection' | 'redis 3' | 'redis 3, multi' | 'ioredis'

function connectPg(server: { host: string; port: number }, bound: boolean, max: number): Query {
  if (bound) {
    recovery.callbacks(pg.Pool.prototype)
    recovery.callbacks(pg.Client.prototype)
  }
  const pool = new pg.Pool({ ...server, user: 'test', database: 'postgres', max })
  pool.on('error', () => undefined)
  return (callback) => { pool.query('SELECT pg_sleep(0.002)', failing(callback)) }
}

export const CLIENTS: Readonly<Record<ClientName, Connect>> = {
  'pg': (server, bound) => connectPg(server, bound, 10),
  'pg, one connection': (server, bound) => connectPg(server, bound, 1),
  'redis 3': (server, bound) => {
    const legacy = createRequire(import.meta.url)('redis3') as LegacyRedis
    const client = legacy.createClient(server)
    if (bound) recovery.callbacks(client)
    return (callback) => { client.echo('hello', failing(callback)) }
  },
  'redis 3, multi': (server, bound) => {
    const legacy = createRequire(import.meta.url)('redis3') as LegacyRedis
    const client = legacy.createClient(server)
    if (bound) recovery.callbacks(client)
    return (callback) => {
      const batch = client.multi()
      batch.echo('hello')
      batch.exec(failing(callback))
    }
  },
  'ioredis': (server, bound) => {
    const client = new Redis(server)
    if (bound) recovery.callbacks(client)
    return (callback) => { void client.echo('hello', failing(callback)) }
  },
}

/** Clients of Redis that answer by promises: each sends a command that Redis refuses, and nobody awaits it. Connected before any request. */
export async function refusedCommands(server: { host: string; port: number }): Promise<Readonly<Record<string, () => void>>> {
  const redis = createClient({ socket: server })
  redis.on('error', () => undefined)
  await redis.connect()
  const ioredis = new Redis(server)
  await ioredis.ping()
  return {
    redis: () => void redis.sendCommand(['NOSUCHCOMMAND']),
    ioredis: () => void ioredis.call('NOSUCHCOMMAND'),
  }
}
