/** The benchmark's command line. */
import { describe, expect, it } from '@jest/globals'
import { CASE_NAMES } from '../../bench/cases.js'
import { parseOptions } from '../../bench/options.js'

describe('parseOptions', () => {
  it('compares everything by default', () => {
    expect(parseOptions([], '/usr/bin/node')).toMatchObject({
      cases: CASE_NAMES,
      connections: ['kept', 'new'],
      node: '/usr/bin/node',
      behindNginx: false,
    })
  })

  it('takes lists of names', () => {
    expect(parseOptions(['--cases', 'hello,json', '--servers', 'floor,go'], 'node')).toMatchObject({
      cases: ['hello', 'json'],
      servers: ['floor', 'go'],
    })
  })

  it('--middleware takes the servers with and without it, hello, kept connections and 15 rounds, unless others are named', () => {
    expect(parseOptions(['--middleware', 'recovery'], 'node')).toMatchObject({
      servers: ['express-http', 'recovery-http', 'express-fastcgi', 'recovery-fastcgi'], cases: ['hello'], connections: ['kept'], rounds: 15,
    })
    expect(parseOptions(['--middleware', 'concurrency', '--rounds', '3', '--cases', 'json'], 'node')).toMatchObject({ cases: ['json'], rounds: 3 })
  })

  it('two builds are compared by CPU time and by instructions, or by what --by names', () => {
    expect(parseOptions([], 'node')).toMatchObject({ by: ['cpu', 'instructions'] })
    expect(parseOptions(['--by', 'instructions'], 'node')).toMatchObject({ by: ['instructions'] })
    expect(() => parseOptions(['--by', 'time'], 'node')).toThrow('--by: no "time"; there are cpu, instructions')
  })

  it('names what it does not know', () => {
    expect(() => parseOptions(['--cases', 'helo'], 'node')).toThrow('--cases: no "helo"')
    expect(() => parseOptions(['--rounds', 'many'], 'node')).toThrow('--rounds: "many" is no positive number')
    expect(() => parseOptions(['--middleware', 'memory'], 'node')).toThrow('--middleware: no "memory"; there are recovery, all, concurrency')
  })
})
