/** Runs a checkout's mocha suite in this process, with the mocha that the checkout itself has installed. */
import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

export interface Failure {
  readonly title: string
  readonly message: string
}

export interface SuiteResult {
  readonly passed: readonly string[]
  readonly failed: readonly Failure[]
  /** Tests that the suite itself skips, by their titles. */
  readonly pending: readonly string[]
}

/** What is used of mocha, from 6 (Express 4) to 11 (Express 5). */
interface Mocha {
  addFile(file: string): void
  checkLeaks(): unknown
  run(done: (failures: number) => void): MochaRunner
}

interface MochaRunner {
  on(event: 'pass' | 'pending', listener: (test: MochaTest) => void): this
  on(event: 'fail', listener: (test: MochaTest, error: Error) => void): this
}

interface MochaTest {
  fullTitle(): string
}

/** What a checkout says of itself. */
export interface Checkout {
  readonly path: string
  readonly name: string
  readonly version: string
  /** Modules that its tests need first, and the directories that they are in. */
  readonly required: readonly string[]
  readonly directories: readonly string[]
  /** Whether its tests leave things open, and say so to mocha. */
  readonly leavesOpen: boolean
}

/**
 * @param path a repository with its development dependencies installed, whose `npm test` calls mocha
 * @throws where there is no package.json with a name, a version and such a script
 */
export function readCheckout(path: string): Checkout {
  const manifest: unknown = JSON.parse(readFileSync(join(path, 'package.json'), 'utf8'))
  const { name, version, scripts } = manifest as { name?: unknown; version?: unknown; scripts?: { test?: string } }
  const [, mochaArguments] = / ?mocha (.*)/.exec(scripts?.test ?? '') ?? []
  if (typeof name !== 'string' || typeof version !== 'string' || mochaArguments === undefined) {
    throw new Error(`${path} is no checkout of a package that is tested with mocha`)
  }
  const words = mochaArguments.split(' ')
  const follows = (option: string) => (_word: string, index: number) => words[index - 1] === option
  const directories = words.filter((word, index) => !word.startsWith('-') && !words[index - 1]?.match(/^--(?:require|reporter)$/))
  return {
    path,
    name,
    version,
    required: words.filter(follows('--require')),
    directories: directories.length > 0 ? directories : ['test'],
    leavesOpen: words.includes('--exit'),
  }
}

/** Runs the same files, in the same order, as the checkout's own `npm test`. */
export function runSuite({ path, required, directories }: Checkout): Promise<SuiteResult> {
  process.chdir(path)
  const require = createRequire(join(path, 'package.json'))
  for (const module of required) require(join(path, module))
  const MochaOfCheckout = require('mocha') as new () => Mocha
  const mocha = new MochaOfCheckout()
  mocha.checkLeaks()
  for (const directory of directories) {
    const files = readdirSync(directory).filter((file) => file.endsWith('.js'))
    for (const file of files.sort()) mocha.addFile(join(path, directory, file))
  }
  return collect(mocha)
}

function collect(mocha: Mocha): Promise<SuiteResult> {
  const passed: string[] = []
  const failed: Failure[] = []
  const pending: string[] = []
  return new Promise((resolve) => {
    const runner = mocha.run(() => {
      resolve({ passed, failed, pending })
    })
    runner
      .on('pass', (test) => passed.push(test.fullTitle()))
      .on('pending', (test) => pending.push(test.fullTitle()))
      .on('fail', (test, error) => failed.push({ title: test.fullTitle(), message: error.stack ?? error.message }))
  })
}
