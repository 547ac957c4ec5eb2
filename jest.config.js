// Jest runs the compiled tests as native ES modules: what is tested is what is packed.
// TESTS=quick leaves out the tests of test/long.json, TESTS=long runs no others; without it all run.
import { readFileSync } from 'node:fs'

/** Paths below test/, without `.test.ts`. */
const long = JSON.parse(readFileSync(new URL('test/long.json', import.meta.url), 'utf8'))
const { TESTS = 'all' } = process.env

export default {
  rootDir: 'dist/test',
  testEnvironment: 'node',
  testMatch: TESTS === 'long' ? long.map((path) => `<rootDir>/${path}.test.js`) : ['**/*.test.js'],
  testPathIgnorePatterns: TESTS === 'quick' ? long.map((path) => `<rootDir>/${path}\\.test\\.js$`) : [],
  transform: {},
  testTimeout: 60_000,
  // On two cores jest would take one worker, which waits most of the time for the programs that the tests start.
  maxWorkers: 2,
}
