import { describe, expect, it } from '@jest/globals'
import { SymbolTable } from '../../../../middleware/memory/profile/symbols.js'

const remember = { name: 'remember', file: '/srv/app/src/visits.ts', line: 15, at: 15 }

describe('addresses of functions', () => {
  it('are the same in every process, and safe as numbers', () => {
    const [one, other] = [new SymbolTable().entryOf(remember), new SymbolTable().entryOf({ ...remember, at: 20 })]
    expect(one).toBe(other)
    expect(Number.isSafeInteger(one + 4095)).toBe(true)
    expect(new SymbolTable().entryOf({ ...remember, line: 16 })).not.toBe(one)
  })

  it('lead back to the name, with the place where pprof could not tell it', () => {
    const symbols = new SymbolTable()
    const names = [remember, { ...remember, name: '(anonymous visits.ts:15)' }, { name: '(GC)', file: '', line: 0, at: 0 }, { ...remember, name: 'read', file: 'node:fs' }]
      .map((frame) => symbols.nameAt(symbols.entryOf(frame) + 1))
    expect(names).toEqual(['remember (visits.ts:15)', '(anonymous visits.ts:15)', '(GC)', 'read (node:fs:15)'])
    expect(symbols.nameAt(0x1234)).toBeUndefined()
    expect(symbols.nameAt(NaN)).toBeUndefined()
  })

  it('are forgotten when there are too many, the oldest first', () => {
    const symbols = new SymbolTable()
    const entries = Array.from({ length: 8300 }, (_, line) => {
      symbols.entryOf(remember)
      return symbols.entryOf({ ...remember, line })
    })
    const known = entries.map((entry) => symbols.nameAt(entry) !== undefined)
    expect(known.slice(0, 100)).toEqual([...Array<boolean>(15).fill(false), true, ...Array<boolean>(84).fill(false)])
    expect(known.filter(Boolean).length).toBe(8192)
  })
})
