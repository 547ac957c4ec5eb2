/** Reading what the app under test answers about a request. */
import type { Answer } from './client.js'

/** What /echo answers. */
export interface Echo {
  method: string
  url: string
  headers: Record<string, string | string[] | undefined>
  rawHeaders: string[]
  headersDistinct: Record<string, string[] | undefined>
  localPort: number
  params: Record<string, string | undefined>
  environmentProxy: string | null
  length: number
  sha256: string
  body: string
  [name: string]: unknown
}

/** @throws Error with the answer in full, where it is no 200 with JSON. */
export function echoOf(answer: Answer): Echo {
  const text = answer.body.toString()
  if (answer.status !== 200) throw new Error(`the answer is ${String(answer.status)}: ${text.slice(0, 500)}`)
  return JSON.parse(text) as Echo
}
