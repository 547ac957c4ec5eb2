/** The format of the access log: text with Apache's directives or nginx' variables, made into one function when the program starts. */
import { editDistance } from '../../shared/edit-distance.js'
import { optionChecks } from '../errors.js'
import { APACHE_DIRECTIVES, apacheDirective, NGINX_VARIABLES, nginxVariable, type Directive, type End } from './log-directives.js'
import { escapeAsApache, escapeAsJson, escapeAsNginx, type Escape } from './log-escape.js'
import type { LoggedRequest, Measures } from './logged-request.js'

/** Formats that have a name. */
export const NAMED_FORMATS: Readonly<Record<string, string>> = {
  common: '%h %l %u %t "%r" %>s %b',
  combined: '%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-agent}i"',
  json: 'escape=json {"time":"$time_iso8601","remoteAddress":"$remote_addr","remoteUser":"$remote_user","method":"$request_method",' +
    '"url":"$request_uri","protocol":"$server_protocol","status":$status,"bytes":$body_bytes_sent,"duration":$request_time,' +
    '"route":"$route","referer":"$http_referer","userAgent":"$http_user_agent","pid":$pid}',
}

/** A format, ready for use. */
export interface LogFormat {
  /** The line of a request that is over, without its end. */
  readonly line: (logged: LoggedRequest, end: End) => string
  readonly measures: Measures
}

type Part = string | ((logged: LoggedRequest, end: End) => string)

const checks = optionChecks('express-responder')
/** A status list, `<` or `>`, an argument in braces, and a letter; or a name of nginx, in braces or not. */
const TOKENS = /%(!?\d{3}(?:,\d{3})*)?([<>]?)(?:\{([^}]*)\})?(\^[a-zA-Z]{0,2}|[^]?)|\$(?:\{(\w+)\}|([a-zA-Z]\w*))/g

/**
 * @param given `common`, `combined`, `json`, or a text with directives; `escape=json ` or `escape=default ` may stand before it, as in
 *   nginx' log_format
 * @throws FastCgiError ERR_FCGI_OPTION that names what is not known, and what is most like it
 */
export function compileLogFormat(given: string): LogFormat {
  if (given.trim() === '') throw wrong(given, 'give common, combined, json, or a text with directives such as %h or $remote_addr')
  const text = Object.hasOwn(NAMED_FORMATS, given) ? NAMED_FORMATS[given] ?? given : given
  const [, escaping = 'default', format = ''] = /^(?:escape=(\w+) )?([^]*)$/.exec(text) ?? []
  if (escaping !== 'default' && escaping !== 'json') throw wrong(given, `there is no escape=${escaping}; there are escape=default and escape=json`)
  if (format.includes('\n') || format.includes('\r')) throw wrong(given, 'a line is a line: leave line breaks out')
  const parts: Part[] = []
  const measures = { cpu: false, loop: false }
  let end = 0
  for (const token of format.matchAll(TOKENS)) {
    parts.push(format.slice(end, token.index))
    const [length, part, measured] = partOf(token, given, escaping === 'json')
    end = token.index + length
    parts.push(part)
    if (measured !== undefined) measures[measured] = true
  }
  parts.push(format.slice(end))
  if (parts.every((part) => typeof part === 'string')) throw wrong(given, `it has no directive; a format has a name (${Object.keys(NAMED_FORMATS).join(', ')}) or directives such as %h or $remote_addr`)
  return { line: joined(parts), measures }
}

function joined(parts: readonly Part[]): LogFormat['line'] {
  const needed = parts.filter((part) => part !== '')
  return (logged, end) => {
    let line = ''
    for (const part of needed) line += typeof part === 'string' ? part : part(logged, end)
    return line
  }
}

type Found = readonly [length: number, part: Part, measured: Directive['measures']]

function partOf(token: RegExpExecArray, given: string, json: boolean): Found {
  const [whole, statuses, , argument, letter = '', braced, name = braced] = token
  if (name !== undefined) {
    const directive = nginxVariable(name)
    if (directive === undefined) throw unknown(given, `$${name}`, NGINX_VARIABLES)
    return [whole.length, valueOf(directive, json ? escapeAsJson : escapeAsNginx, json ? '' : '-'), directive.measures]
  }
  const directive = apacheDirective(letter, argument)
  if (directive === undefined) throw unknown(given, `%${argument === undefined ? '' : `{${argument}}`}${letter}`, APACHE_DIRECTIVES)
  const part = valueOf(directive, json ? escapeAsJson : escapeAsApache, json ? '' : '-')
  return [whole.length, statuses === undefined ? part : onlyFor(statuses, part), directive.measures]
}

function valueOf({ read, foreign }: Directive, escape: Escape, absent: string): Exclude<Part, string> {
  if (!foreign) return (logged, end) => read(logged, end) ?? absent
  return (logged, end) => {
    const value = read(logged, end)
    return value === undefined ? absent : escape(value)
  }
}

/** `%404,500{Referer}i`: only for these statuses; with `!` for all others. */
function onlyFor(statuses: string, part: Exclude<Part, string>): Part {
  const isExcluded = statuses.startsWith('!')
  const listed = new Set(statuses.replace('!', '').split(',').map(Number))
  return (logged, end) => listed.has(logged.status) === isExcluded ? '-' : part(logged, end)
}

function unknown(given: string, name: string, known: readonly string[]): Error {
  return wrong(given, `there is no ${name}; the nearest is ${nearest(name, known)}`)
}

function wrong(given: string, remedy: string): Error {
  return checks.wrong('accessLogFormat', given, remedy)
}

/** The known name that differs least. */
export function nearest(name: string, known: readonly string[]): string {
  const ranked = known.map((candidate) => ({ candidate, distance: editDistance(name, candidate) }))
  return ranked.reduce((best, next) => next.distance < best.distance ? next : best, { candidate: known[0] ?? '', distance: Infinity }).candidate
}
