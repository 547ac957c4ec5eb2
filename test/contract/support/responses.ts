/** Responses of some form, and what calls of an app do. */
import { expect } from '@jest/globals'
import type { ServerResponse } from 'node:http'
import { contract, type Observed } from './compare.js'
import { codeOf, type Journal } from './journal.js'

type Write = (res: ServerResponse, journal: Journal) => unknown

/** Notes what a call throws. */
export function attempt(journal: Journal, label: string, act: () => unknown): void {
  try {
    act()
    journal.note(label, 'did not throw')
  } catch (error) {
    journal.note(label, codeOf(error) ?? String(error))
  }
}

/** Calls a method with arguments that its types do not allow. */
export function call(target: object, method: string, args: readonly unknown[]): unknown {
  const found: unknown = Reflect.get(target, method)
  return typeof found === 'function' ? Reflect.apply(found, target, args) : undefined
}

/** A response of some form; `seen` is part of what a client of HTTP sees. */
export function form(name: string, write: Write, seen: object, ask: { method?: string } = {}): void {
  contract(
    name,
    { handle: (_req, res, journal) => write(res, journal), act: ({ client }) => client.ask(ask) },
    (over) => {
      expect(over.seen).toMatchObject({ broken: undefined, ...seen })
    },
  )
}

export const header = ({ seen }: Observed, name: string): string[] => {
  const { headers } = seen as { headers: [string, string][] }
  return headers.filter(([key]) => key.toLowerCase() === name.toLowerCase()).map(([, value]) => value)
}
