/**
 * FastCGI name-value pairs, both ways (section 3.4 of the specification): the PARAMS stream and the
 * bodies of GET_VALUES and GET_VALUES_RESULT. Pure: bytes in, values out.
 */

/** The first octet of a length that takes four octets has this bit set (section 3.4). */
const LONG_LENGTH = 0x80
const LONG_LENGTH_OCTETS = 4

/** Told of each pair by {@link readPairs}; offsets are into the bytes that are read. */
export interface PairVisitor {
  /** @returns false to stop reading. */
  onPair(nameStart: number, nameEnd: number, valueEnd: number): boolean
}

/**
 * Walks the pairs in `bytes` from `start` up to `end`. Lengths are checked against what remains, so no
 * sum of lengths can overflow or reach outside.
 *
 * @returns the offset after the last complete pair: `end` where the bytes are whole.
 */
export function readPairs(bytes: Uint8Array, start: number, end: number, visitor: PairVisitor): number {
  let position = start
  while (position < end) {
    let cursor = position
    let nameLength = bytes[cursor] as number
    if (nameLength < LONG_LENGTH) cursor += 1
    else {
      if (end - cursor < LONG_LENGTH_OCTETS) return position
      nameLength = readLongLength(bytes, cursor)
      cursor += LONG_LENGTH_OCTETS
    }
    if (cursor >= end) return position
    let valueLength = bytes[cursor] as number
    if (valueLength < LONG_LENGTH) cursor += 1
    else {
      if (end - cursor < LONG_LENGTH_OCTETS) return position
      valueLength = readLongLength(bytes, cursor)
      cursor += LONG_LENGTH_OCTETS
    }
    const remaining = end - cursor
    if (nameLength > remaining || valueLength > remaining - nameLength) return position
    const nameEnd = cursor + nameLength
    const valueEnd = nameEnd + valueLength
    if (!visitor.onPair(cursor, nameEnd, valueEnd)) return position
    position = valueEnd
  }
  return position
}

function readLongLength(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] as number) & ~LONG_LENGTH) << 24) |
    ((bytes[at + 1] as number) << 16) |
    ((bytes[at + 2] as number) << 8) |
    (bytes[at + 3] as number)
  )
}

/** The pairs of a whole body, names and values read as latin1; undefined where the body is malformed. */
export function decodePairs(bytes: Uint8Array, start = 0, end = bytes.length): [name: string, value: string][] | undefined {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const pairs: [string, string][] = []
  const visitor: PairVisitor = {
    onPair(nameStart, nameEnd, valueEnd) {
      pairs.push([buffer.toString('latin1', nameStart, nameEnd), buffer.toString('latin1', nameEnd, valueEnd)])
      return true
    },
  }
  return readPairs(bytes, start, end, visitor) === end ? pairs : undefined
}

/** Pairs as bytes, names and values written as latin1; a value of undefined leaves the pair out. */
export function encodePairs(pairs: Iterable<readonly [name: string, value: string | undefined]>): Buffer {
  const parts: Buffer[] = []
  for (const [name, value] of pairs) {
    if (value === undefined) continue
    parts.push(encodeLength(name.length), encodeLength(value.length), Buffer.from(name + value, 'latin1'))
  }
  return Buffer.concat(parts)
}

function encodeLength(length: number): Buffer {
  if (length < LONG_LENGTH) return Buffer.of(length)
  return Buffer.of((length >>> 24) | LONG_LENGTH, length >>> 16, length >>> 8, length)
}

/**
 * All params of a PARAMS stream that was kept as latin1 text, without a prototype and frozen; the last of a name counts.
 * `decode` makes a value of its octets, one a character; by default they stay as they are.
 */
export function paramsOf(text: string, decode = (octets: string): string => octets): Readonly<Record<string, string>> {
  const params = Object.create(null) as Record<string, string>
  forEachParam(text, (name, value) => {
    params[name] = decode(value)
  })
  return Object.freeze(params)
}

// eslint-disable-next-line no-control-regex -- what is no ASCII is looked for
const NO_ASCII = /[^\0-\x7f]/

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Octets, one a character, as the UTF-8 text that they are; unchanged where they are none. */
export function decodeUtf8(octets: string): string {
  if (!NO_ASCII.test(octets)) return octets
  try {
    return strictUtf8.decode(Buffer.from(octets, 'latin1'))
  } catch {
    return octets
  }
}

/** Text as its UTF-8 octets, one a character. */
export function encodeUtf8(text: string): string {
  return NO_ASCII.test(text) ? Buffer.from(text).toString('latin1') : text
}

/**
 * One param of a PARAMS stream that was kept as latin1 text: the last of its name, as a later line of a web
 * server's configuration overrides an earlier one.
 */
export function paramOf(text: string, wanted: string): string | undefined {
  let found: string | undefined
  forEachParam(text, (name, value) => {
    if (name === wanted) found = value
  })
  return found
}

function forEachParam(text: string, visit: (name: string, value: string) => void): void {
  const bytes = Buffer.from(text, 'latin1')
  readPairs(bytes, 0, bytes.length, {
    onPair: (nameStart, nameEnd, valueEnd) => {
      visit(text.slice(nameStart, nameEnd), text.slice(nameEnd, valueEnd))
      return true
    },
  })
}
