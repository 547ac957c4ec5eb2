/** `.ci/run` lets no test be skipped for what is not installed: so it installs all that a test asks for, and CONTRIBUTING names it. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from '@jest/globals'
import { root } from './packed.js'

/** The Debian package of a `Requirement`, in a source. */
const REQUIRED = /\bpackage: [^'\n]*'([a-z0-9][a-z0-9.+-]+)/g

/** Said instead of a package where only root can run a test. */
const NO_PACKAGE = 'none'

function required(): string[] {
  const paths = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts'))
  const sources = paths.map((path) => readFileSync(join(root, 'test', path), 'utf8'))
  const found = sources.flatMap((source) => [...source.matchAll(REQUIRED)].map(([, name = '']) => name))
  return [...new Set(found)].filter((name) => name !== NO_PACKAGE)
}

function named(path: string, list: RegExp): string[] {
  const [, names = ''] = list.exec(readFileSync(join(root, path), 'utf8')) ?? []
  return names.split(/\s+/)
}

it('continuous integration installs what tests require', () => {
  expect(required()).toContain('apache2')
  const installed = named('.ci/run', /^PACKAGES=\(([^)]*)\)$/m)
  expect(required().filter((name) => !installed.includes(name))).toEqual([])
})

it('CONTRIBUTING names it', () => {
  const told = named('CONTRIBUTING.md', /^apt-get install (.*)$/m)
  expect(required().filter((name) => !told.includes(name))).toEqual([])
})
