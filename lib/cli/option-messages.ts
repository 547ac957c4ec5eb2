/** What is wrong with an option, in one line: its name and where it came from, its value, the remedy. Pure. */
import { inspect } from 'node:util'
import { FastCgiError } from '../errors.js'
import { nearest } from './nearest.js'

/** Where a value came from, as messages name it: `option --workers`, `variable EXPRESS_RESPONDER_WORKERS`, `workers in app.json`. */
export type Source = (name: string) => string

const SHOWN = { depth: 1, breakLength: Infinity, maxArrayLength: 10, maxStringLength: 200 } as const

/** The error for a command line, a variable or a file that is wrong. */
export function wrong(message: string): FastCgiError {
  return new FastCgiError('ERR_FCGI_OPTION', message.replace(/\s+/g, ' '))
}

/** The error for one option's value. */
export function wrongValue(source: Source, name: string, value: unknown, remedy: string): FastCgiError {
  return wrong(`${source(name)} is ${typeof value === 'string' ? shownText(value) : inspect(value, SHOWN)}: ${remedy}`)
}

function shownText(value: string): string {
  return JSON.stringify(value.length > SHOWN.maxStringLength ? `${value.slice(0, SHOWN.maxStringLength)}…` : value)
}

/** Refuses a name that is not known, with the nearest one that is. @throws FastCgiError ERR_FCGI_OPTION */
export function checkNames(names: readonly string[], known: readonly string[], where: string): void {
  for (const name of names) {
    if (known.includes(name)) continue
    const near = nearest(name, known)
    throw wrong(`${name} in ${where} is no option: ${near === undefined ? `there are ${known.join(', ')}` : `did you mean ${near}?`}`)
  }
}

/** Names of serve()'s options, and remedies in its words, as the command has them. */
const REMEDIES: readonly (readonly [RegExp, string])[] = [
  [/\{ host: '([^']*)', port: (\d+) \}/g, '--host $1 --port $2'],
  [/\{ port: (\d+) \}/g, '--port $1'],
  [/\{ socket: ('[^']*') \}/g, '--socket $1'],
  [/together with option (\w+)/g, 'together with --$1'],
  [/permission bits as 0o660 or '0660'/g, 'three octal digits, such as 0660'],
]

/** An error of serve()'s options or of the logs', with the names that the user of the command knows. */
export function asCommandError(error: unknown, source: Source): unknown {
  if (!(error instanceof FastCgiError) || error.code !== 'ERR_FCGI_OPTION') return error
  const message = REMEDIES.reduce((text, [pattern, words]) => text.replace(pattern, words), error.message)
  const several = /^serve: options ((?:\w+(?: and )?)+): /.exec(message)
  if (several !== null) return wrong(`${(several[1] ?? '').split(' and ').map(source).join(' and ')}: ${message.slice(several[0].length)}`)
  const [whole = '', name = ''] = /^(?:serve|express-responder): option ([\w.]+)/.exec(message) ?? []
  if (name === '') return error
  const [, known] = /: no such option; there are ([\w, ]+)/.exec(message) ?? []
  const near = known === undefined ? undefined : nearest(name.slice(name.lastIndexOf('.') + 1), known.split(', '))
  return wrong(`${source(name)}${message.slice(whole.length).replace(/no such option; /, near === undefined ? 'no such option; ' : `no such option, did you mean ${near}? `)}`)
}
