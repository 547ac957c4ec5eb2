/**
 * Runs the tests on several versions of Node.js, one after another, and prints one line for each.
 *
 *   node scripts/test-matrix.js [version or path of a node binary ...] [-- arguments of jest]
 *
 * Without versions: 20, 22, 24 and 26. A version comes from the npm package `node`, which npx keeps in its cache.
 * Compiles first, once. Exits with 1 where any test fails on any version.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const DEFAULT_VERSIONS = ['20', '22', '24', '26']
/** As in the npm script `test`. */
const JEST = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning', 'node_modules/jest/bin/jest.js']
const VERSION = /^\d+(\.\d+){0,2}$/

const root = fileURLToPath(new URL('..', import.meta.url))
const [versions, jestArguments] = readArguments(process.argv.slice(2))
execFileSync('npm', ['run', '--silent', 'build'], { cwd: root, stdio: 'inherit' })
const temporary = mkdtempSync(join(tmpdir(), 'matrix-'))
try {
  const lines = versions.map((version) => runOn(version))
  if (lines.includes(false)) process.exitCode = 1
} finally {
  rmSync(temporary, { recursive: true, force: true })
}

function readArguments(given) {
  const separator = given.indexOf('--')
  const named = separator < 0 ? given : given.slice(0, separator)
  return [named.length > 0 ? named : DEFAULT_VERSIONS, separator < 0 ? [] : given.slice(separator + 1)]
}

/** Whether every test passed. */
function runOn(version) {
  let binary
  try {
    binary = VERSION.test(version) ? fetchNode(version) : version
    const name = execFileSync(binary, ['--version'], { encoding: 'utf8' }).trim()
    return runJest(binary, name)
  } catch (error) {
    console.log(`Node.js ${version}: could not be run: ${error.message}`)
    return false
  }
}

/** The path of the binary that the npm package `node` has for this version. */
function fetchNode(version) {
  const printPath = ['--yes', '--package', `node@${version}`, '--', 'node', '--print', 'process.execPath']
  return execFileSync('npx', printPath, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }).trim()
}

function runJest(binary, name) {
  const report = join(temporary, `${name}.json`)
  const begun = performance.now()
  const jest = spawnSync(binary, [...JEST, '--json', `--outputFile=${report}`, ...jestArguments], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const seconds = ((performance.now() - begun) / 1000).toFixed(0)
  const { numPassedTests, numFailedTests, numPendingTests, numFailedTestSuites } = readReport(report, jest)
  const passed = jest.status === 0 && numPassedTests > 0
  if (!passed) console.log(jest.stderr)
  console.log(
    `Node.js ${name}: ${numPassedTests} passed, ${numFailedTests} failed in ${numFailedTestSuites} files, ` +
      `${numPendingTests} skipped, ${seconds} s`,
  )
  return passed
}

function readReport(report, jest) {
  try {
    return JSON.parse(readFileSync(report, 'utf8'))
  } catch {
    throw new Error(`jest ended with ${jest.status ?? jest.signal} and no report\n${jest.stderr}`)
  }
}
