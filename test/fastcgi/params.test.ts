/** Name-value pairs: one table of bytes that is read and written again, and hostile input. */
import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { RequestParams, decodePairs, decodeUtf8, encodePairs, readPairs } from '../../lib/fastcgi/params.js'

function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(' ', ''), 'hex')
}

const LONG = 'v'.repeat(128)
const LONG_NAME = 'N'.repeat(200)

/** Bytes as they stand on the wire (specification, section 3.4), written in the shortest way. */
const TABLE: { name: string; bytes: Buffer; pairs: [string, string][] }[] = [
  { name: 'no pairs', bytes: hex(''), pairs: [] },
  { name: 'short name, short value', bytes: hex('01 02 41 6263'), pairs: [['A', 'bc']] },
  { name: 'an empty value', bytes: hex('01 00 41'), pairs: [['A', '']] },
  { name: 'an empty name', bytes: hex('00 01 62'), pairs: [['', 'b']] },
  { name: 'an empty name with an empty value', bytes: hex('00 00'), pairs: [['', '']] },
  { name: 'a value of 127 octets', bytes: Buffer.concat([hex('01 7f 41'), Buffer.from(LONG.slice(1))]), pairs: [['A', LONG.slice(1)]] },
  { name: 'a value of 128 octets', bytes: Buffer.concat([hex('01 80000080 41'), Buffer.from(LONG)]), pairs: [['A', LONG]] },
  { name: 'a long name', bytes: Buffer.concat([hex('800000c8 01'), Buffer.from(LONG_NAME), hex('62')]), pairs: [[LONG_NAME, 'b']] },
  {
    name: 'a long name with a long value',
    bytes: Buffer.concat([hex('800000c8 80000080'), Buffer.from(LONG_NAME + LONG)]),
    pairs: [[LONG_NAME, LONG]],
  },
  { name: 'a value of any octets', bytes: hex('01 04 41 00ff0ae9'), pairs: [['A', '\0\xff\n\xe9']] },
  { name: 'repeated names', bytes: hex('01 01 41 31 01 01 41 32'), pairs: [['A', '1'], ['A', '2']] },
  { name: '__proto__', bytes: Buffer.concat([hex('09 01'), Buffer.from('__proto__x')]), pairs: [['__proto__', 'x']] },
]

describe('the table of bytes', () => {
  it.each(TABLE)('reads $name', ({ bytes, pairs }) => {
    expect(decodePairs(bytes)).toEqual(pairs)
  })

  it.each(TABLE)('writes $name', ({ bytes, pairs }) => {
    expect(encodePairs(pairs).toString('hex')).toBe(bytes.toString('hex'))
  })

  it('reads 4-octet lengths for small values too', () => {
    expect(decodePairs(hex('80000001 80000002 41 6263'))).toEqual([['A', 'bc']])
    expect(decodePairs(hex('80000000 80000000'))).toEqual([['', '']])
  })

  it('leaves out a value of undefined', () => {
    expect(encodePairs([['A', undefined], ['B', '1']]).toString('hex')).toBe('01014231')
  })

  it('reads from the middle of a buffer', () => {
    expect(decodePairs(hex('ff 01 01 41 62 ff'), 1, 5)).toEqual([['A', 'b']])
    const shared = hex('eeee 01 01 41 62 ee').subarray(2, 6)
    expect(decodePairs(shared)).toEqual([['A', 'b']])
  })
})

const octets = (maxLength: number) =>
  fc.uint8Array({ maxLength }).map((bytes) => Buffer.from(bytes).toString('latin1'))
const anyPairs = fc.array(fc.tuple(octets(200), octets(300)), { maxLength: 12 })

describe('any pairs', () => {
  it('come back as they were written', () => {
    fc.assert(
      fc.property(anyPairs, (pairs) => {
        expect(decodePairs(encodePairs(pairs))).toEqual(pairs)
      }),
    )
  })

  it('cut short at any place are read up to the last whole pair, and are no whole body', () => {
    fc.assert(
      fc.property(anyPairs, fc.nat(), (pairs, place) => {
        const bytes = encodePairs(pairs)
        const cut = place % (bytes.length + 1)
        const edges = pairs.reduce((sums, pair) => [...sums, (sums.at(-1) ?? 0) + encodePairs([pair]).length], [0])
        let visited = 0
        const end = readPairs(bytes, 0, cut, { onPair: () => ++visited > 0 })
        expect(end).toBe(Math.max(...edges.filter((edge) => edge <= cut)))
        expect(edges[visited]).toBe(end)
        expect(decodePairs(bytes, 0, cut) === undefined).toBe(!edges.includes(cut))
      }),
    )
  })

  it('are found by name, the last of a name', () => {
    fc.assert(
      fc.property(anyPairs, (pairs) => {
        const text = encodePairs(pairs).toString('latin1')
        const params = new RequestParams(text)
        for (const [name] of pairs) {
          const last = pairs.filter((pair) => pair[0] === name).at(-1)?.[1]
          expect(params.get(name)).toBe(last)
          expect(params.decoded[name]).toBe(decodeUtf8(last ?? ''))
        }
        expect(Object.keys(params.decoded)).toHaveLength(new Set(pairs.map(([name]) => name)).size)
      }),
    )
  })

  it('of any garbage are read within bounds', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        const end = readPairs(bytes, 0, bytes.length, {
          onPair(nameStart, nameEnd, valueEnd) {
            expect(nameStart <= nameEnd && nameEnd <= valueEnd && valueEnd <= bytes.length).toBe(true)
            return true
          },
        })
        expect(end).toBeLessThanOrEqual(bytes.length)
      }),
    )
  })
})

describe('hostile pairs', () => {
  it.each([
    ['lengths whose sum overflows 32 bits', 'ffffffff ffffffff 41 62'],
    ['a name longer than there is', '05 00 41424344'],
    ['a value longer than there is', '01 05 41 62636465'],
    ['a value that is too long by the length of its name', '02 04 4142 626364'],
    ['the longest name with an empty value', 'ffffffff 00 41'],
    ['an empty name with the longest value', '00 ffffffff 41'],
    ['a name length that is cut short', '800000'],
    ['a value length that is missing', '01'],
    ['a value length that is cut short', '01 800000'],
  ])('refuses %s', (_name, bytes) => {
    expect(decodePairs(hex(bytes))).toBeUndefined()
    expect(decodePairs(Buffer.concat([hex('01 01 41 62'), hex(bytes)]))).toBeUndefined()
  })

  it('does not read lengths beyond the end that it was given', () => {
    const bytes = hex('01 01 41 62 01 01 43 64')
    expect(decodePairs(bytes, 0, 7)).toBeUndefined()
    expect(decodePairs(bytes, 0, 5)).toBeUndefined()
    expect(decodePairs(bytes, 0, 4)).toEqual([['A', 'b']])
  })

  it('stops when the visitor says so', () => {
    let visited = 0
    const end = readPairs(hex('01 01 41 62 01 01 43 64'), 0, 8, { onPair: () => ++visited < 1 })
    expect(visited).toBe(1)
    expect(end).toBe(0)
  })

  it.each(['__proto__', 'constructor', 'hasOwnProperty', 'toString'])('keeps %s as a name like any other', (name) => {
    const text = encodePairs([[name, 'x']]).toString('latin1')
    const params = new RequestParams(text)
    expect(Object.getPrototypeOf(params.decoded)).toBeNull()
    expect(Object.entries(params.decoded)).toEqual([[name, 'x']])
    expect(params.get(name)).toBe('x')
    expect(({} as Record<string, unknown>)['x']).toBeUndefined()
  })

  it('says nothing about names that are not there', () => {
    const params = new RequestParams('')
    expect('toString' in params.decoded).toBe(false)
    expect(params.get('toString')).toBeUndefined()
  })
})
