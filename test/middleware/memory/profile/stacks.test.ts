import { describe, expect, it } from '@jest/globals'
import { difference, type Stack } from '../../../../middleware/memory/profile/stacks.js'

function stack(names: string, ...values: number[]): Stack {
  return { places: names.split(' ').map((name) => ({ name, url: 'a.js', line: 1, column: 0, at: 0 })), values }
}

describe('the difference of two profiles', () => {
  it('is by whole stack: what grew, what shrank, what came and what went', () => {
    const then = [stack('f g', 2, 200), stack('f h', 1, 100), stack('g', 5, 500), stack('gone', 1, 10)]
    const now = [stack('f g', 3, 350), stack('f h', 1, 100), stack('g', 4, 400), stack('new', 1, 7)]
    expect(difference(then, now).map(({ places, values }) => [places.map(({ name }) => name).join(' '), ...values])).toEqual([
      ['f g', 1, 150], ['g', -1, -100], ['new', 1, 7], ['gone', -1, -10],
    ])
  })

  it('keeps stacks of which only one value has changed', () => {
    expect(difference([stack('f', 1, 10)], [stack('f', 1, 12)])).toEqual([stack('f', 0, 2)])
  })
})
