/**
 * Judges the sizes and times of mod_fcgid, by Apache's configuration: it starts the app itself, so there is no socket that a doctor could
 * listen on, and what its limits cut off never arrives. Facts in, findings out. Pure.
 */
import { basename } from 'node:path'
import { namesOf } from './app-place.js'
import type { Facts } from './facts.js'
import type { Finding, FindingCode } from './finding.js'
import { lineFor } from './lines.js'

interface Setting {
  readonly name: string
  /** Of mod_fcgid 2.3.9. */
  readonly byDefault: number
  /** Of those that stand in the configuration: one for each virtual host there may be. The worst is the one that somebody meets. */
  readonly worst: (given: readonly number[]) => number
  readonly suffices: (value: number, uploadBytes: number) => boolean
  readonly code: FindingCode
  readonly problem: (value: number) => string
}

const smallest = (given: readonly number[]): number => Math.min(...given)
const largest = (given: readonly number[]): number => Math.max(...given)

const SETTINGS: readonly Setting[] = [
  {
    name: 'FcgidMaxRequestLen', byDefault: 131_072, worst: smallest, suffices: (value, uploadBytes) => value >= uploadBytes, code: 'fcgid-request-length',
    problem: (value) => `mod_fcgid answers 500 to an upload of more than ${String(value)} bytes.`,
  },
  {
    name: 'FcgidIOTimeout', byDefault: 40, worst: smallest, suffices: (value) => value >= 60, code: 'fcgid-io-timeout',
    problem: (value) => `mod_fcgid gives up a response that is silent for ${String(value)} s; other web servers wait for 60.`,
  },
  {
    name: 'FcgidBusyTimeout', byDefault: 300, worst: smallest, suffices: (value) => value >= 300, code: 'fcgid-busy-timeout',
    problem: (value) => `mod_fcgid ends the process of a request that takes longer than ${String(value)} s.`,
  },
  {
    name: 'FcgidOutputBufferSize', byDefault: 65_536, worst: largest, suffices: (value) => value === 0, code: 'fcgid-output-buffer',
    problem: (value) => `mod_fcgid gathers ${String(value)} bytes of a response before it passes any on: server-sent events come late, all at once.`,
  },
]

const withoutComments = (text: string): string => text.replace(/^[ \t]*#.*$/gm, '')

/** What the distributions load with the module, whoever uses it, is in a file of this name. */
const MODULE_FILE = 'fcgid.conf'
/** A FastCGI app that Apache reaches over a socket or a port; PHP has a socket on many machines. */
const PROXIED = /\bunix:(?![^|"\s]*php)[^|"\s]+\|fcgi:|(?<!\|)\bfcgi:\/\/[\w.[\]:-]+:\d/

/** Whether it is mod_fcgid that runs the app: its handler is there, and nothing is passed to the socket or port. */
export function isRunByFcgid({ server, place, answer, configuration }: Facts): boolean {
  // Who listens at the socket was not started by mod_fcgid.
  if (server !== 'apache' || answer.kind !== 'refused') return false
  const texts = configuration.map(({ path, text }) => ({ isModule: basename(path) === MODULE_FILE, text: withoutComments(text) }))
  const passes = namesOf(place).map((name) => place.kind === 'socket' ? `${name}|` : `fcgi://${name}`)
  if (texts.some(({ text }) => passes.some((pass) => text.includes(pass)))) return false
  const handled = texts.filter(({ text }) => /\bfcgid-script\b|^[ \t]*FcgidWrapper\b/m.test(text))
  if (handled.some(({ isModule }) => !isModule)) return true
  return handled.length > 0 && !texts.some(({ text }) => PROXIED.test(text))
}

/** @param uploadBytes the size of the upload that is to pass */
export function checkFcgid(facts: Facts, uploadBytes: number): Finding[] {
  const line = lineFor(facts)
  return SETTINGS.flatMap(({ name, byDefault, worst, suffices, code, problem }) => {
    const given = valuesOf(facts, name)
    const value = given.length === 0 ? byDefault : worst(given)
    return suffices(value, uploadBytes) ? [] : [line(code, problem(value), given.length === 0 ? `there is no ${name}, whose default is ${String(byDefault)}` : `${name} ${String(value)} stands in the configuration`)]
  })
}

function valuesOf({ configuration }: Facts, name: string): number[] {
  const pattern = new RegExp(`^[ \\t]*${name}[ \\t]+"?(\\d+)`, 'gim')
  return configuration.flatMap(({ text }) => Array.from(text.matchAll(pattern), ([, value]) => Number(value)))
}
