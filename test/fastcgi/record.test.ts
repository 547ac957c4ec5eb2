/** FastCGI records: one table of bytes that is read and written again, streams cut at every place, hostile input. */
import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import {
  decodeBeginRequest,
  decodeEndRequest,
  encodeBeginRequest,
  encodeEndRequest,
  encodeRecord,
  encodeStream,
  encodeUnknownType,
  HEADER_LENGTH,
  isStream,
  MAX_ALIGNED_CONTENT_LENGTH,
  MAX_CONTENT_LENGTH,
  paddingFor,
  ProtocolStatus,
  RecordReader,
  RecordType,
  Role,
  writeEndRequest,
  writeHeader,
} from '../../lib/fastcgi/record.js'

interface ReadRecord {
  type: number
  requestId: number
  content: string
}

/** Collects whole records, and what broke the protocol. */
class Collector {
  readonly records: ReadRecord[] = []
  readonly pieces: { length: number; more: boolean }[] = []
  badVersion: number | undefined
  #held: Buffer[] = []

  onRecord(type: number, requestId: number, chunk: Uint8Array, start: number, end: number, more: boolean): boolean {
    this.pieces.push({ length: end - start, more })
    this.#held.push(Buffer.from(chunk.subarray(start, end)))
    if (more) return true
    this.records.push({ type, requestId, content: Buffer.concat(this.#held).toString('hex') })
    this.#held = []
    return true
  }

  onBadVersion(version: number): void {
    this.badVersion = version
  }
}

function read(...chunks: Uint8Array[]): Collector & { atBoundary: boolean } {
  const collector = new Collector()
  const reader = new RecordReader(collector)
  for (const chunk of chunks) reader.read(chunk)
  return Object.assign(collector, { atBoundary: reader.atBoundary })
}

function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(' ', ''), 'hex')
}

/** Bytes as they stand on the wire (specification, sections 3.3, 4 and 5), and how this package writes them. */
const TABLE: { name: string; bytes: string; written: () => Uint8Array; record: ReadRecord }[] = [
  {
    name: 'BEGIN_REQUEST, Responder, to be closed',
    bytes: '01 01 0001 0008 00 00  0001 00 0000000000',
    written: () => encodeBeginRequest(1, { role: Role.RESPONDER, keepConnection: false }),
    record: { type: 1, requestId: 1, content: '0001000000000000' },
  },
  {
    name: 'BEGIN_REQUEST, Filter, KEEP_CONN, the highest id',
    bytes: '01 01 ffff 0008 00 00  0003 01 0000000000',
    written: () => encodeBeginRequest(65535, { role: Role.FILTER, keepConnection: true }),
    record: { type: 1, requestId: 65535, content: '0003010000000000' },
  },
  {
    name: 'ABORT_REQUEST',
    bytes: '01 02 0102 0000 00 00',
    written: () => encodeRecord(RecordType.ABORT_REQUEST, 0x0102),
    record: { type: 2, requestId: 0x0102, content: '' },
  },
  {
    name: 'END_REQUEST with every octet of the status',
    bytes: '01 03 0001 0008 00 00  fedcba98 03 000000',
    written: () => encodeEndRequest(1, { appStatus: 0xfedcba98, protocolStatus: ProtocolStatus.UNKNOWN_ROLE }),
    record: { type: 3, requestId: 1, content: 'fedcba9803000000' },
  },
  {
    name: 'STDIN of 5 octets, padded by 3',
    bytes: '01 05 0001 0005 03 00  68656c6c6f 000000',
    written: () => encodeRecord(RecordType.STDIN, 1, Buffer.from('hello')),
    record: { type: 5, requestId: 1, content: '68656c6c6f' },
  },
  {
    name: 'STDOUT of 8 octets, not padded',
    bytes: '01 06 0001 0008 00 00  6f7574707574210a',
    written: () => encodeRecord(RecordType.STDOUT, 1, Buffer.from('output!\n')),
    record: { type: 6, requestId: 1, content: '6f7574707574210a' },
  },
  {
    name: 'the end of STDERR',
    bytes: '01 07 0001 0000 00 00',
    written: () => encodeRecord(RecordType.STDERR, 1),
    record: { type: 7, requestId: 1, content: '' },
  },
  {
    name: 'UNKNOWN_TYPE',
    bytes: '01 0b 0000 0008 00 00  64 00000000000000',
    written: () => encodeUnknownType(100),
    record: { type: 11, requestId: 0, content: '6400000000000000' },
  },
]

describe('the table of bytes', () => {
  it.each(TABLE)('reads $name', ({ bytes, record }) => {
    const { records, atBoundary, badVersion } = read(hex(bytes))
    expect(records).toEqual([record])
    expect(atBoundary).toBe(true)
    expect(badVersion).toBeUndefined()
  })

  it.each(TABLE)('writes $name', ({ bytes, written }) => {
    expect(Buffer.from(written()).toString('hex')).toBe(hex(bytes).toString('hex'))
  })

  it('reads the whole table as one stream, cut in two at every place', () => {
    const stream = Buffer.concat(TABLE.map(({ bytes }) => hex(bytes)))
    const expected = TABLE.map(({ record }) => record)
    for (let cut = 0; cut <= stream.length; cut++) {
      expect(read(stream.subarray(0, cut), stream.subarray(cut)).records).toEqual(expected)
    }
  })

  it('reads the whole table in three pieces, cut at every two places', () => {
    const stream = Buffer.concat(TABLE.slice(0, 5).map(({ bytes }) => hex(bytes)))
    const expected = JSON.stringify(TABLE.slice(0, 5).map(({ record }) => record))
    for (let first = 0; first <= stream.length; first++) {
      for (let second = first; second <= stream.length; second++) {
        const pieces = [stream.subarray(0, first), stream.subarray(first, second), stream.subarray(second)]
        if (JSON.stringify(read(...pieces).records) !== expected) throw new Error(`cut at ${String(first)} and ${String(second)}`)
      }
    }
  })

  it('reads the whole table octet by octet', () => {
    const stream = Buffer.concat(TABLE.map(({ bytes }) => hex(bytes)))
    const { records, atBoundary } = read(...Array.from(stream, (octet) => Buffer.of(octet)))
    expect(records).toEqual(TABLE.map(({ record }) => record))
    expect(atBoundary).toBe(true)
  })
})

/** Any record that the format allows, with any padding and any reserved octet. */
const anyRecord = fc.record({
  type: fc.oneof(fc.integer({ min: 1, max: 11 }), fc.integer({ min: 0, max: 255 })),
  requestId: fc.integer({ min: 0, max: 65535 }),
  content: fc.uint8Array({ maxLength: 300 }),
  padding: fc.uint8Array({ maxLength: 255 }),
  reserved: fc.integer({ min: 0, max: 255 }),
})
type AnyRecord = typeof anyRecord extends fc.Arbitrary<infer T> ? T : never

function raw({ type, requestId, content, padding, reserved }: AnyRecord): Buffer {
  const header = Buffer.alloc(HEADER_LENGTH)
  writeHeader(header, 0, type, requestId, content.length, padding.length)
  header[7] = reserved
  return Buffer.concat([header, content, padding])
}

function cutAt(bytes: Buffer, places: number[]): Buffer[] {
  const sorted = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b)
  const edges = [0, ...sorted, bytes.length]
  return edges.slice(1).map((end, index) => bytes.subarray(edges[index], end))
}

describe('any stream of records', () => {
  it('reads the same wherever it is cut', () => {
    fc.assert(
      fc.property(fc.array(anyRecord, { maxLength: 8 }), fc.array(fc.nat(), { maxLength: 12 }), (records, places) => {
        const { records: result, atBoundary } = read(...cutAt(Buffer.concat(records.map(raw)), places))
        const expected = records.map(({ type, requestId, content }) => ({
          type,
          requestId,
          content: Buffer.from(content).toString('hex'),
        }))
        expect(result).toEqual(expected)
        expect(atBoundary).toBe(true)
      }),
    )
  })

  it('reads the same from the middle of a larger buffer', () => {
    fc.assert(
      fc.property(fc.array(anyRecord, { maxLength: 4 }), fc.nat(50), fc.nat(50), (records, before, after) => {
        const stream = Buffer.concat(records.map(raw))
        const buffer = Buffer.concat([Buffer.alloc(before, 0xee), stream, Buffer.alloc(after, 0xee)])
        const collector = new Collector()
        const reader = new RecordReader(collector)
        reader.read(buffer, before, before + stream.length)
        expect(collector.records).toEqual(read(stream).records)
        expect(reader.position).toBe(before + stream.length)
      }),
    )
  })

  it('is at a boundary only between two records', () => {
    fc.assert(
      fc.property(fc.array(anyRecord, { minLength: 1, maxLength: 4 }), fc.nat(), (records, place) => {
        const parts = records.map(raw)
        const stream = Buffer.concat(parts)
        const cut = place % (stream.length + 1)
        const edges = parts.reduce((sums, part) => [...sums, (sums.at(-1) ?? 0) + part.length], [0])
        expect(read(stream.subarray(0, cut)).atBoundary).toBe(edges.includes(cut))
      }),
    )
  })

  it('hands the content of streams on as it comes, all else whole', () => {
    fc.assert(
      fc.property(anyRecord, fc.array(fc.nat(), { maxLength: 6 }), (record, places) => {
        const { pieces } = read(...cutAt(raw(record), places))
        if (!isStream(record.type)) expect(pieces).toHaveLength(1)
        expect(pieces.at(-1)?.more).toBe(false)
        expect(pieces.slice(0, -1).every(({ more, length }) => more && length > 0)).toBe(true)
      }),
    )
  })

  it('writes what it reads: any content comes back, aligned', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 1000 }), (content) => {
        const record = encodeRecord(RecordType.STDOUT, 7, content)
        expect(record.length % 8).toBe(0)
        expect(read(record).records).toEqual([{ type: 6, requestId: 7, content: Buffer.from(content).toString('hex') }])
      }),
    )
  })
})

describe('large contents', () => {
  it.each([0, 1, 7, 8, 65527, MAX_ALIGNED_CONTENT_LENGTH, 65529, MAX_CONTENT_LENGTH])('one record of %d octets', (length) => {
    const content = Buffer.alloc(length, 0x61)
    const { records, atBoundary } = read(encodeRecord(RecordType.STDOUT, 1, content))
    expect(records[0]?.content).toBe(content.toString('hex'))
    expect(atBoundary).toBe(true)
  })

  it('refuses more than a record can carry', () => {
    expect(() => encodeRecord(RecordType.STDOUT, 1, Buffer.alloc(MAX_CONTENT_LENGTH + 1))).toThrow(RangeError)
  })

  it.each([0, 1, 65528, 65529, 200_000])('a stream of %d octets in aligned records', (length) => {
    const content = Buffer.alloc(length, 0x62)
    const stream = encodeStream(RecordType.STDIN, 1, content)
    const { records } = read(stream)
    expect(stream.length % 8).toBe(0)
    expect(records).toHaveLength(Math.ceil(length / MAX_ALIGNED_CONTENT_LENGTH))
    expect(Buffer.from(records.map((record) => record.content).join(''), 'hex').equals(content)).toBe(true)
  })

  it('pads to 8 octets', () => {
    expect([0, 1, 5, 7, 8, 9, MAX_CONTENT_LENGTH].map(paddingFor)).toEqual([0, 7, 3, 1, 0, 7, 1])
  })
})

describe('hostile records', () => {
  it.each([0, 2, 255])('stops at version %d, at its first octet already', (version) => {
    const good = encodeRecord(RecordType.STDIN, 1, Buffer.from('good'))
    const bad = Buffer.of(version, 5, 0, 1, 0, 1, 0, 0, 0x41)
    for (const chunks of [[good, bad, good], [good, Buffer.of(version)], [Buffer.concat([good, bad, good])]]) {
      const { records, badVersion } = read(...chunks)
      expect(badVersion).toBe(version)
      expect(records).toHaveLength(1)
    }
  })

  it('tells a bad version once, and reads nothing after it', () => {
    let told = 0
    const collector = new Collector()
    const reader = new RecordReader({
      onRecord: collector.onRecord.bind(collector),
      onBadVersion: () => told++,
    })
    for (let index = 0; index < 3; index++) reader.read(Buffer.of(9, 9, 9, 9, 9, 9, 9, 9, 9))
    reader.read(encodeRecord(RecordType.STDIN, 1))
    expect(told).toBe(1)
    expect(collector.records).toEqual([])
  })

  it('delivers no control record that is cut short', () => {
    const record = encodeBeginRequest(1, { role: 1, keepConnection: true })
    for (let length = 0; length < record.length; length++) {
      const { records, atBoundary } = read(record.subarray(0, length))
      expect(records).toEqual([])
      expect(atBoundary).toBe(length === 0)
    }
  })

  it('skips padding that straddles chunks, and takes none of it for a header', () => {
    const header = Buffer.alloc(HEADER_LENGTH)
    writeHeader(header, 0, RecordType.STDIN, 1, 1, 255)
    const next = encodeRecord(RecordType.STDIN, 1)
    const padding = Buffer.alloc(255, 0xff)
    const { records } = read(header, Buffer.from('a'), padding.subarray(0, 3), padding.subarray(3, 254), padding.subarray(254), next)
    expect(records.map(({ content }) => content)).toEqual(['61', ''])
  })

  it('skips the padding of an empty record', () => {
    const header = Buffer.alloc(HEADER_LENGTH)
    writeHeader(header, 0, RecordType.PARAMS, 1, 0, 8)
    const { records } = read(header, Buffer.concat([Buffer.alloc(8, 0xff), encodeRecord(RecordType.STDIN, 1)]))
    expect(records.map(({ type }) => type)).toEqual([RecordType.PARAMS, RecordType.STDIN])
  })

  it('stops for good when the consumer says so', () => {
    let seen = 0
    const reader = new RecordReader({ onRecord: () => ++seen < 2, onBadVersion: () => undefined })
    const record = encodeRecord(RecordType.STDIN, 1, Buffer.from('x'))
    reader.read(Buffer.concat([record, record, record]))
    reader.read(record)
    expect(seen).toBe(2)
  })

  it('reads on from its position after a consumer has thrown', () => {
    const seen: number[] = []
    const reader = new RecordReader({
      onRecord(_type, requestId) {
        seen.push(requestId)
        if (requestId === 2) throw new Error('of the consumer')
        return true
      },
      onBadVersion: () => undefined,
    })
    const stream = Buffer.concat([1, 2, 3].map((id) => encodeRecord(RecordType.STDIN, id, Buffer.from('abc'))))
    expect(() => {
      reader.read(stream)
    }).toThrow('of the consumer')
    reader.read(stream, reader.position)
    expect(seen).toEqual([1, 2, 3])
  })

  it('reads any garbage without throwing', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 10 }), (chunks) => {
        read(...chunks)
      }),
    )
  })
})

describe('bodies of control records', () => {
  it('ignores reserved octets and unknown flags of BEGIN_REQUEST', () => {
    expect(decodeBeginRequest(hex('0002 fe ffffffffff'))).toEqual({ role: 2, keepConnection: false })
    expect(decodeBeginRequest(hex('ffff ff ffffffffff'))).toEqual({ role: 65535, keepConnection: true })
  })

  it('ignores reserved octets of END_REQUEST', () => {
    expect(decodeEndRequest(hex('ffffffff 01 ffffff'))).toEqual({ appStatus: 0xffffffff, protocolStatus: 1 })
  })

  it('reads them from the middle of a buffer, and not beyond it', () => {
    const buffer = Buffer.concat([Buffer.alloc(3), hex('0000000702000000')])
    expect(decodeEndRequest(buffer, 3)).toEqual({ appStatus: 7, protocolStatus: 2 })
    expect(decodeEndRequest(buffer, 4)).toBeUndefined()
    expect(decodeBeginRequest(buffer, 4)).toBeUndefined()
    expect(decodeBeginRequest(Buffer.alloc(0))).toBeUndefined()
  })

  it('writes END_REQUEST into a buffer that was used before', () => {
    const target = new Uint8Array(20).fill(0xee)
    expect(writeEndRequest(target, 2, 513, 258, ProtocolStatus.OVERLOADED)).toBe(18)
    expect(Buffer.from(target).toString('hex')).toBe('eeee01030201000800000000010202000000eeee')
  })
})

it('a management record comes whole, of whatever type, however it is cut', () => {
  for (const type of [RecordType.STDIN, RecordType.PARAMS, RecordType.DATA, 99]) {
    const bytes = encodeRecord(type, 0, Buffer.from('abcdefghij'))
    const { records, pieces } = read(bytes.subarray(0, 10), bytes.subarray(10, 13), bytes.subarray(13))
    expect(records).toEqual([{ type, requestId: 0, content: Buffer.from('abcdefghij').toString('hex') }])
    expect(pieces).toEqual([{ length: 10, more: false }])
  }
})
