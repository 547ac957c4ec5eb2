/** The benchmark's command line. */
import { describe, expect, it } from '@jest/globals'
import { CASE_NAMES } from '../../bench/cases.js'
import { parseOptions } from '../../bench/options.js'

describe('parseOptions', () => {
  it('compares everything by default', () => {
    expect(parseOptions([], '/usr/bin/node')).toMatchObject({
      mode: 'compare',
      cases: CASE_NAMES,
      connections: ['kept', 'new'],
      node: '/usr/bin/node',
      behindNginx: false,
    })
  })

  it('takes lists of names', () => {
    expect(parseOptions(['--cases', 'hello,json', '--servers', 'floor,go', '--targets'], 'node')).toMatchObject({
      mode: 'targets',
      cases: ['hello', 'json'],
      servers: ['floor', 'go'],
    })
  })

  it('names what it does not know', () => {
    expect(() => parseOptions(['--cases', 'helo'], 'node')).toThrow('--cases: no "helo"')
    expect(() => parseOptions(['--rounds', 'many'], 'node')).toThrow('--rounds: "many" is no positive number')
    expect(() => parseOptions(['--targets', '--memory'], 'node')).toThrow('exclude each other')
  })
})
