/**
 * Runs the tests on several versions of Node.js, one after another, and prints one line for each.
 *
 *   npm run soak -- test-matrix [version or path of a node binary ...] [-- arguments of jest]
 *
 * Without versions: 20, 22, 24 and 26. A version comes from the npm package `node`, which npx keeps in its cache.
 * The exit status is 1 where any test fails on any version.
 */
import { execFileSync, spawnSync, type SpawnSyncReturns } from 'node:child_process'
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const DEFAULT_VERSIONS = ['20', '22', '24', '26']
/** As in the npm script `test`. */
const JEST = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning', 'node_modules/jest/bin/jest.js']
const VERSION = /^\d+(\.\d+){0,2}$/
const ROOT = fileURLToPath(new URL('../../..', import.meta.url))

interface Report {
  numPassedTests: number
  numFailedTests: number
  numPendingTests: number
  numFailedTestSuites: number
}

export function run(args: readonly string[]): void {
  const separator = args.indexOf('--')
  const named = separator < 0 ? args : args.slice(0, separator)
  const jestArguments = separator < 0 ? [] : args.slice(separator + 1)
  const directory = mkdtempSync(join(tmpdir(), 'matrix-'))
  // Some tests start the app as another user, who has to be let in.
  chmodSync(directory, 0o755)
  try {
    for (const version of named.length > 0 ? named : DEFAULT_VERSIONS) {
      if (!runOn(version, jestArguments, directory)) process.exitCode = 1
    }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** Whether every test passed. */
function runOn(version: string, jestArguments: readonly string[], directory: string): boolean {
  try {
    const binary = VERSION.test(version) ? fetchNode(version, directory) : version
    const name = execFileSync(binary, ['--version'], { encoding: 'utf8' }).trim()
    return runJest(binary, name, jestArguments, join(directory, `${name}.json`))
  } catch (error) {
    console.log(`Node.js ${version}: could not be run: ${error instanceof Error ? error.message : String(error)}`)
    return false
  }
}

/** The path of a copy of the binary that the npm package `node` has for this version: npm's own may be in a directory that nobody else may enter. */
function fetchNode(version: string, directory: string): string {
  const printPath = ['--yes', '--package', `node@${version}`, '--', 'node', '--print', 'process.execPath']
  const path = execFileSync('npx', printPath, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }).trim()
  const copy = join(directory, `node-${version}`)
  copyFileSync(path, copy)
  chmodSync(copy, 0o755)
  return copy
}

function runJest(binary: string, name: string, jestArguments: readonly string[], file: string): boolean {
  const begun = performance.now()
  const jest = spawnSync(binary, [...JEST, '--json', `--outputFile=${file}`, ...jestArguments], {
    cwd: ROOT,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const seconds = ((performance.now() - begun) / 1000).toFixed(0)
  const { numPassedTests, numFailedTests, numPendingTests, numFailedTestSuites } = readReport(file, jest)
  const passed = jest.status === 0 && numPassedTests > 0
  if (!passed) console.log(jest.stderr)
  console.log(
    `Node.js ${name}: ${String(numPassedTests)} passed, ${String(numFailedTests)} failed in ${String(numFailedTestSuites)} files, ` +
      `${String(numPendingTests)} skipped, ${seconds} s`,
  )
  return passed
}

function readReport(file: string, jest: SpawnSyncReturns<string>): Report {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Report
  } catch {
    throw new Error(`jest ended with ${String(jest.status ?? jest.signal)} and no report\n${jest.stderr}`)
  }
}
