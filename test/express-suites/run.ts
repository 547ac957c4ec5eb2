/**
 * Runs the test suite of Express, or of one of its middleware, with every request going through FastCGI.
 *
 *   node dist/test/express-suites/run.js <checkout> [--http]
 *
 * `--http` leaves the suite on plain HTTP, to know which of its tests fail anyway. Exits with 1 where a test fails
 * that is not in the list of exceptions, where a listed one passes or is not there, where a request takes
 * another road, and where a suite of which no test fails leaves something open at the end.
 */
import { resolve } from 'node:path'
import { EXCEPTIONS } from './exceptions.js'
import { countTraffic, divert, type Traffic } from './road.js'
import { readCheckout, runSuite, type Checkout, type Failure, type SuiteResult } from './suite.js'

/** How long what the suite has opened may take to close, in milliseconds. */
const CLOSING_TIME = 5000

const [checkout, mode] = process.argv.slice(2)
if (checkout === undefined || (mode !== undefined && mode !== '--http')) {
  console.error('usage: node dist/test/express-suites/run.js <checkout> [--http]')
  process.exitCode = 2
} else {
  const overFastCgi = mode === undefined
  const suite = readCheckout(resolve(checkout))
  const { traffic, mark } = countTraffic()
  if (overFastCgi) divert(mark)
  const result = await runSuite(suite)
  const problems = overFastCgi
    ? [...judge(result, `${suite.name}@${String(Number.parseInt(suite.version))}`), ...judgeTraffic(traffic)]
    : result.failed.map(describeFailure)
  report(suite, result, traffic, problems)
  process.exitCode = problems.length === 0 ? 0 : 1
  setTimeout(() => {
    if (result.failed.length > 0 || suite.leavesOpen) process.exit()
    console.error(`still open after the suite: ${process.getActiveResourcesInfo().join(', ')}`)
    process.exit(1)
  }, CLOSING_TIME).unref()
}

function report({ name, version }: Checkout, result: SuiteResult, traffic: Traffic, problems: string[]): void {
  const { passed, failed, pending } = result
  for (const problem of problems) console.error(problem)
  console.log(
    `${name} ${version} on Node.js ${process.version}: ` +
      `${String(passed.length)} passed, ${String(failed.length)} failed, ${String(pending.length)} skipped by the suite; ` +
      `requests ${JSON.stringify(traffic)}; ${problems.length === 0 ? 'as expected' : `${String(problems.length)} unexpected`}`,
  )
}

function describeFailure({ title, message }: Failure): string {
  return `fails: ${title}\n${message}`
}

/** What differs from the list of exceptions. */
function judge(result: SuiteResult, suite: string): string[] {
  const expected = new Set(EXCEPTIONS.filter((exception) => exception.suite === suite).map(({ title }) => title))
  const failed = new Set(result.failed.map(({ title }) => title))
  const passed = new Set(result.passed)
  const problems = result.failed
    .filter(({ title }) => !expected.has(title))
    .map(describeFailure)
  for (const title of expected) {
    if (failed.has(title) || result.pending.includes(title)) continue
    problems.push(passed.has(title) ? `passes, but is listed as an exception: ${title}` : `is listed, but is no test: ${title}`)
  }
  return problems
}

function judgeTraffic({ gateway, fastcgi, elsewhere }: Traffic): string[] {
  if (fastcgi > 0 && elsewhere === 0) return []
  return [`not every request went over FastCGI: ${JSON.stringify({ gateway, fastcgi, elsewhere })}`]
}
