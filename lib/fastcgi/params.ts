/**
 * FastCGI name-value pairs, both ways (section 3.4 of the specification): the PARAMS stream and the
 * bodies of GET_VALUES and GET_VALUES_RESULT. Pure: bytes in, values out.
 */

/** The first byte of a length that takes four bytes has this bit set (section 3.4). */
const LONG_LENGTH = 0x80
const LONG_LENGTH_BYTES = 4

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
      if (end - cursor < LONG_LENGTH_BYTES) return position
      nameLength = readLongLength(bytes, cursor)
      cursor += LONG_LENGTH_BYTES
    }
    if (cursor >= end) return position
    let valueLength = bytes[cursor] as number
    if (valueLength < LONG_LENGTH) cursor += 1
    else {
      if (end - cursor < LONG_LENGTH_BYTES) return position
      valueLength = readLongLength(bytes, cursor)
      cursor += LONG_LENGTH_BYTES
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

// eslint-disable-next-line no-control-regex -- what is no ASCII is looked for
const NO_ASCII = /[^\0-\x7f]/

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Bytes, each as one character, as the UTF-8 text that they are; unchanged where they are none. */
export function decodeUtf8(bytes: string): string {
  if (!NO_ASCII.test(bytes)) return bytes
  try {
    return strictUtf8.decode(Buffer.from(bytes, 'latin1'))
  } catch {
    return bytes
  }
}

/** Text as its UTF-8 bytes, each as one character. */
export function encodeUtf8(text: string): string {
  return NO_ASCII.test(text) ? Buffer.from(text).toString('latin1') : text
}

/** Numbers in the list of {@link RequestParams} for each pair: where its name starts, its name ends, and its value ends. */
const OFFSETS_PER_PAIR = 3

/**
 * The params of one request: a whole PARAMS stream, kept as latin1 text. Most requests are asked for none of them, so
 * the pairs are found when the first is asked for, once, and a value is cut out when it is asked for itself.
 *
 * Where a name came twice the last value counts, as a later line of a web server's configuration overrides an earlier one.
 */
export class RequestParams {
  readonly #text: string
  #offsets: readonly number[] | undefined
  #decoded: Readonly<Record<string, string>> | undefined

  /** @param text pairs that {@link readPairs} reads to the end, each byte as one character */
  constructor(text: string) {
    this.#text = text
  }

  /** One param as it came, each byte as one character. */
  get(name: string): string | undefined {
    const text = this.#text
    const offsets = (this.#offsets ??= offsetsOf(text))
    for (let i = offsets.length - OFFSETS_PER_PAIR; i >= 0; i -= OFFSETS_PER_PAIR) {
      const nameStart = offsets[i] as number
      const nameEnd = offsets[i + 1] as number
      if (nameEnd - nameStart === name.length && text.startsWith(name, nameStart)) return text.slice(nameEnd, offsets[i + 2])
    }
    return undefined
  }

  /** All of them, values read by {@link decodeUtf8}: frozen and without a prototype, the same object each time. */
  get decoded(): Readonly<Record<string, string>> {
    this.#decoded ??= this.#decodeAll()
    return this.#decoded
  }

  #decodeAll(): Readonly<Record<string, string>> {
    const text = this.#text
    const offsets = (this.#offsets ??= offsetsOf(text))
    const params = Object.create(null) as Record<string, string>
    for (let i = 0; i < offsets.length; i += OFFSETS_PER_PAIR) {
      const nameEnd = offsets[i + 1]
      params[text.slice(offsets[i], nameEnd)] = decodeUtf8(text.slice(nameEnd, offsets[i + 2]))
    }
    return Object.freeze(params)
  }
}

function offsetsOf(text: string): number[] {
  const bytes = Buffer.from(text, 'latin1')
  const offsets: number[] = []
  readPairs(bytes, 0, bytes.length, {
    onPair: (nameStart, nameEnd, valueEnd) => {
      offsets.push(nameStart, nameEnd, valueEnd)
      return true
    },
  })
  return offsets
}
