/** One suite, run for each web server: starts the site before its tests and stops it after them. */
import { afterAll, beforeAll } from '@jest/globals'
import type { ServerOptions } from 'express-responder'
import { describeIfInstalled } from './installed.js'
import { servers } from './servers.js'
import type { ServerKey } from './servers.js'
import { startSite } from './site.js'
import type { Site } from './site.js'
import { traits } from './traits.js'
import type { Traits } from './traits.js'
import type { WebServer } from './web-server.js'

const STARTING_LIMIT_MS = 60_000

/** What a suite knows of the server that it runs for. */
export interface StartedServer {
  readonly key: ServerKey
  readonly server: WebServer
  readonly trait: Traits
  /** The running site; only inside tests. */
  readonly site: () => Site
}

/** Which servers a suite runs for, and how the app is mounted. */
export interface SuiteOptions {
  only?: readonly ServerKey[]
  app?: ServerOptions
}

/** A `describe` with a running site: `server` and the app, started before its tests and stopped after them. */
export function describeSite(server: WebServer, title: string, body: (site: () => Site) => void, options: ServerOptions = {}): void {
  describeIfInstalled(server, `${title} (examples/${server.example})`, () => {
    let running: Site | undefined
    beforeAll(async () => {
      running = await startSite(server, options)
    }, STARTING_LIMIT_MS)
    afterAll(() => running?.stop(), STARTING_LIMIT_MS)
    body(() => {
      if (running === undefined) throw new Error('the site is only there inside tests')
      return running
    })
  })
}

/** Every server whose app runs in the test's own process, where its options and events are at hand. */
export const IN_PROCESS: readonly ServerKey[] = (Object.keys(servers) as ServerKey[]).filter((key) => !servers[key].startsApp)

/** `describe` for each server, skipped where it is not installed. */
export function forEachServer(title: string, body: (started: StartedServer) => void, options: SuiteOptions = {}): void {
  for (const key of options.only ?? (Object.keys(servers) as ServerKey[])) {
    const server: WebServer = servers[key]
    describeSite(server, `${title} ${server.name}`, (site) => {
      body({ key, server, trait: traits[key], site })
    }, options.app)
  }
}

let lastId = 0

/** An id for the query of a request that the app reports on. */
export function newId(): string {
  return `id${String(++lastId)}`
}
