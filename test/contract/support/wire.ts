/** A listener over FastCGI alone, with its warnings and client errors noted. */
import type { RequestListener } from 'node:http'
import type { FastCgiError } from 'express-responder'
import type { Seen } from './client.js'
import { observe, type AppScenario, type Observed } from './compare.js'
import { codeOf } from './journal.js'
import { TRANSPORTS, type TransportOptions } from './transports.js'

export const overFastCgi = (
  listener: RequestListener,
  more: Partial<AppScenario> & { options?: TransportOptions } = {},
): Promise<Observed & { seen: Seen }> =>
  observe(TRANSPORTS.fastcgi, {
    app: () => listener,
    prepare: (server, journal) => {
      server.on('warning', (error: FastCgiError) => {
        journal.note('warning', error.code)
      })
      server.on('clientError', (error: Error) => {
        journal.note('clientError', codeOf(error))
      })
    },
    ...more,
  }) as Promise<Observed & { seen: Seen }>

export const headerOf = (seen: Seen, name: string): string[] =>
  seen.headers.filter(([key]) => key.toLowerCase() === name.toLowerCase()).map(([, value]) => value)

/** Waits until a counter has stood still for many turns of the loop, with the other end having had its turns too. */
export async function settled(counter: () => number): Promise<void> {
  let last = -1
  for (let same = 0; same < 200; ) {
    await new Promise((resolve) => setImmediate(resolve))
    same = counter() === last ? same + 1 : 0
    last = counter()
  }
}
