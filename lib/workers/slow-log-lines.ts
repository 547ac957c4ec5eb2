/** The lines of the slow log. The thread that watches the event loop makes them, too. */
import { escapeAsNginx } from './log-escape.js'
import { commonLogTime } from './log-time.js'
import type { Findings } from './paused-stack.js'
import type { ReportedRequest, StackFrame } from './stuck-report.js'

/** Characters of a stack in a line: a pipe takes 4096 bytes in one piece. */
const MOST_OF_STACK = 3000

/** A time as the slow log has it. */
export function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(3)} s`
}

/** What happened to a request, as a line without its end. */
export function slowLine(request: ReportedRequest | undefined, what: string): string {
  return `[${commonLogTime(Date.now())}] [pid ${String(process.pid)}] slow request: ${request === undefined ? 'unknown' : named(request)}, ${what}`
}

function named({ method, url, route = '' }: ReportedRequest): string {
  return `"${escapeAsNginx(method)} ${escapeAsNginx(url)}"${route === '' ? '' : `, route ${escapeAsNginx(route)}`}`
}

/**
 * What is told while the event loop is blocked, a line for each request that runs for too long by now.
 *
 * @param blocked for how long, in milliseconds
 * @param age of the oldest request, in milliseconds: all that is known of it in native code
 */
export function blockedLines(findings: Findings, blocked: number, age: number): string {
  const { report: { stack, native, request }, overdue } = findings
  const where = native ? ' in native code' : stack === null ? '' : ` in ${inLine(stack)}`
  const lineOf = (slow: ReportedRequest | undefined, runs: number): string => {
    const isOther = request !== null && slow !== undefined && (request.url !== slow.url || request.method !== slow.method)
    return `${slowLine(slow, `runs for ${seconds(runs)} so far, event loop blocked for ${seconds(blocked)}${isOther ? ` by ${named(request)},` : ''}${where}`)}\n`
  }
  if (overdue.length > 0) return overdue.map((slow) => lineOf(slow, slow.age)).join('')
  return native || stack === null ? lineOf(undefined, age) : ''
}

/** The innermost function first. */
function inLine(stack: readonly StackFrame[]): string {
  let text = ''
  for (const { functionName, url, line, column } of stack) {
    const frame = escapeAsNginx(`${functionName === '' ? '(anonymous)' : functionName} (${url}:${String(line)}:${String(column)})`)
    if (text.length + frame.length > MOST_OF_STACK) return `${text} < …`
    text += text === '' ? frame : ` < ${frame}`
  }
  return text
}
