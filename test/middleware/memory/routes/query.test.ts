import { describe, expect, it } from '@jest/globals'
import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { rawQuery, wholeParameter } from '../../../../middleware/memory/routes/query.js'

function seconds(url: string): number | undefined {
  const request = new IncomingMessage(new Socket())
  request.url = url
  return wholeParameter(request, 'seconds', { least: 1, most: 300 })
}

describe('a parameter', () => {
  it('is a whole number within its bounds', () => {
    expect(seconds('/profile?seconds=1')).toBe(1)
    expect(seconds('/profile?a=b&seconds=300&c')).toBe(300)
    expect(seconds('/profile')).toBeUndefined()
    expect(seconds('/profile?')).toBeUndefined()
  })

  it.each(['0', '301', '', '-1', '1.5', '1e2', 'abc', '0x10', ' 5', '99999999999999999999', '5&seconds=6'])('is refused as %p', (value) => {
    expect(() => seconds(`/profile?seconds=${value}`)).toThrow(/^seconds=.*: give one whole number from 1 to 300\.$/)
  })

  it('is shown shortened where it is long', () => {
    expect(() => seconds(`/profile?seconds=${'x'.repeat(9000)}`)).toThrow(/^seconds=x{40}: /)
  })
})

it('the query is what follows the first question mark', () => {
  expect([rawQuery('/symbol?0x1+0x2?'), rawQuery('/symbol')]).toEqual(['0x1+0x2?', ''])
})
