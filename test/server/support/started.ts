/** A FastCGI server on a fresh Unix socket, with raw clients; all of it is stopped after each test. */
import { afterEach } from '@jest/globals'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import type { RequestListener } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer, type FastCgiServer, type ServerOptions } from 'express-responder'
import { FastCgiClient, type ClientTarget } from '../../support/fastcgi-client.js'
import { Journal, codeOf } from '../../contract/support/journal.js'

export interface Started {
  readonly server: FastCgiServer
  /** The socket's path. */
  readonly path: string
  /** What the app and the server's events noted: 'clientError CODE', 'warning CODE'. */
  readonly journal: Journal
  /** A connection to it. */
  connect: (options?: { allowHalfOpen?: boolean }) => Promise<FastCgiClient>
}

const stops: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop()
})

/** Starts a server for one test. */
export async function start(app: (journal: Journal) => RequestListener, options?: ServerOptions): Promise<Started> {
  const directory = mkdtempSync(join(tmpdir(), 'server-'))
  const path = join(directory, 's')
  const journal = new Journal()
  const server = createServer(app(journal), options)
  server.on('clientError', (error) => {
    journal.note('clientError', codeOf(error))
  })
  server.on('warning', (error: Error) => {
    journal.note('warning', codeOf(error))
  })
  server.listen(path)
  await once(server, 'listening')
  stops.push(async () => {
    if (server.listening) {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    }
    server.closeAllConnections()
    rmSync(directory, { recursive: true, force: true })
  })
  return { server, path, journal, connect: (connectOptions) => connectTo(path, connectOptions) }
}

/** A raw client that is closed after the test. */
export async function connectTo(target: ClientTarget, options?: { allowHalfOpen?: boolean }): Promise<FastCgiClient> {
  const client = await FastCgiClient.connect(target, options)
  stops.push(() => client.destroy())
  return client
}

/** Does something after the test. */
export function afterTest(stop: () => Promise<void>): void {
  stops.push(stop)
}

/** So many turns of the event loop, in which all that was sent before within this process arrives. */
export async function turns(count = 20): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve))
}
