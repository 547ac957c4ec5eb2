/** Runs one scenario over both transports, and gives what was observed of each. */
import { describe, expect, it } from '@jest/globals'
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { Client } from './client.js'
import { FLAVOURS, type Flavour, type Handler } from './flavours.js'
import { Journal } from './journal.js'
import { TRANSPORTS, type Transport, type TransportOptions } from './transports.js'

/** What both ends of a scenario have. */
export interface Stage {
  readonly journal: Journal
  readonly client: Client
  readonly server: Server
}

export interface Scenario {
  /** Prepares the server before it is asked anything. */
  prepare?: (server: Server, journal: Journal) => void
  /** What the app does. */
  handle: (req: IncomingMessage, res: ServerResponse, journal: Journal) => unknown
  /** What the client does; what it returns is compared too. Default: GET /. */
  act?: (stage: Stage) => Promise<unknown>
  /** What must have been noted before the server stops. Default: what `act` waits for. */
  until?: readonly string[]
  options?: TransportOptions
}

/** A scenario whose app is made of a framework itself. */
export interface AppScenario extends Omit<Scenario, 'handle'> {
  app: (journal: Journal) => RequestListener
}

export interface Observed {
  seen: unknown
  entries: string[]
}

/** Runs a scenario over one transport. */
export async function observe(transport: Transport, scenario: AppScenario): Promise<Observed> {
  const journal = new Journal()
  const { prepare, options, until = [], act = ({ client }: Stage) => client.ask() } = scenario
  const running = await transport.start(scenario.app(journal), options)
  try {
    prepare?.(running.server, journal)
    const seen = await act({ journal, client: new Client(running.port), server: running.server })
    for (const label of until) await journal.until(label)
    // What follows at once from what was waited for is observed too.
    for (let turn = 0; turn < 5; turn++) await nextTurn()
    return { seen, entries: journal.entries }
  } finally {
    await running.stop()
  }
}

/** Runs an app over both transports, and expects of FastCGI what HTTP showed; `check` sees that it showed something. */
export async function compare(scenario: AppScenario, check: (overHttp: Observed) => void): Promise<void> {
  const overHttp = await observe(TRANSPORTS.http, scenario)
  check(overHttp)
  const overFastCgi = await observe(TRANSPORTS.fastcgi, scenario)
  expect(overFastCgi).toEqual(overHttp)
}

/** Declares a test of a handler: bare, in Express 4 and in Express 5, each over both transports. */
export function contract(name: string, scenario: Scenario, check: (overHttp: Observed) => void): void {
  describe(name, () => {
    it.each(FLAVOURS.map((flavour): [string, Flavour] => [flavour.name, flavour]))('%s', async (_name, flavour) => {
      const app = (journal: Journal): RequestListener => {
        const handler: Handler = (req, res) => scenario.handle(req, res, journal)
        return flavour.wrap(handler)
      }
      await compare({ ...scenario, app }, check)
    })
  })
}
