/** Runs the mocha suite of an Express checkout in this process, with the mocha that the checkout itself has installed. */
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

/** What is used of mocha 6 (Express 4) and 11 (Express 5). */
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

/**
 * @param checkout an Express repository with its development dependencies installed
 * @throws where the directory is no such checkout
 */
export function expressVersion(checkout: string): string {
  const manifest: unknown = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8'))
  const { name, version } = (manifest ?? {}) as { name?: unknown; version?: unknown }
  if (name !== 'express' || typeof version !== 'string') throw new Error(`${checkout} is no checkout of Express`)
  return version
}

/** Runs the same files, in the same order and with the same settings, as the checkout's own `npm test`. */
export function runSuite(checkout: string): Promise<SuiteResult> {
  process.chdir(checkout)
  const require = createRequire(join(checkout, 'package.json'))
  require('./test/support/env')
  const MochaOfCheckout = require('mocha') as new () => Mocha
  const mocha = new MochaOfCheckout()
  mocha.checkLeaks()
  for (const directory of ['test', 'test/acceptance']) {
    const files = readdirSync(directory).filter((file) => file.endsWith('.js'))
    for (const file of files.sort()) mocha.addFile(join(checkout, directory, file))
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
