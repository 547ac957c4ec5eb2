/** Titles of tests say what is asserted, and number nothing that is not in the repository. */
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from '@jest/globals'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const TITLE = /^\s*(?:describe|it|contract|form)(?:\.each[^\n]*?\))?\((?:'((?:[^'\\]|\\.)*)'|`([^`]*)`|"([^"]*)")/gm
/** `11. Uploads`, `18, 19: answers`, `c1: late`, `14 A`, `row 3`, `issue 15`. */
const NUMBERED = /^(?:\d+, )*\d+[.:)] |^[a-z]\d{1,2}\b(?!\.)|^\d+ ?[A-Z]\b|\b(?:issue|row|case|demand|point|finding|item) (?:no\. ?)?#?[a-z]?\d/i
/** Nothing is said by them. */
const EMPTY = /^(?:it |this )?(?:works|is (?:fine|ok|right|correct)|should work|test|basic|simple|misc|all|everything|default|regression)[.!]?$/i

interface Titled {
  file: string
  title: string
}

function titles(): Titled[] {
  const files = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.test.ts'))
  return files.flatMap((file) => [...readFileSync(join(root, 'test', file), 'utf8').matchAll(TITLE)]
    .map(([, one, other, third]) => ({ file, title: one ?? other ?? third ?? '' })))
}

describe('titles of tests', () => {
  it('have no number of a list that is not here', () => {
    expect(titles().length).toBeGreaterThan(1000)
    expect(titles().filter(({ title }) => NUMBERED.test(title))).toEqual([])
  })

  it('say something', () => {
    expect(titles().filter(({ title }) => (title.trim().length < 3 && title !== '%s') || EMPTY.test(title))).toEqual([])
  })

  it.each(['11. Odd CONTENT_LENGTH', '18, 19: what an answer is made of', 'c1: late throw', '14 A', 'row 3 of the table', 'issue 15: names', 'case r1'])(
    'such as %j are found', (title) => {
      expect(title).toMatch(NUMBERED)
    })

  it.each(['0 octets', '503 with Retry-After', 'HTTP/1.0 without a Host', 'a 204 has no body', 'over 100 of them'])(
    'such as %j are none of them', (title) => {
      expect(title).not.toMatch(NUMBERED)
    })
})
