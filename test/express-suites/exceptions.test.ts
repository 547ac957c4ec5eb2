/** The README's table of exceptions is the list that the runner goes by. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from '@jest/globals'
import { EXCEPTIONS } from './exceptions.js'

const readme = readFileSync(new URL('../../../test/express-suites/README.md', import.meta.url), 'utf8')

describe('the exceptions of the Express suites', () => {
  it('stand in the README, and no others', () => {
    const rows = readme.split('\n').filter((line) => /^\| .*@\d/.test(line))
    expect(rows).toEqual(EXCEPTIONS.map(({ suite, title, reason }) => `| ${suite} | ${title} | ${reason} |`))
  })
})
