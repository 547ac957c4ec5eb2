/** What hostile and broken peers send, as fast-check arbitraries: valid streams, and ways to spoil them. */
import fc from 'fast-check'
import { encodePairs } from '../../../lib/fastcgi/params.js'
import { encodeBeginRequest, encodeRecord, encodeStream, RecordType } from '../../../lib/fastcgi/record.js'
import { nginxParams } from '../../support/nginx-params.js'

const URLS = ['/read', '/echo', '/slow', '/never', '/large', '/destroy', '/half', '/authorize', '/filter', '/pause', '/trailers', '/innocent']

const requestId = fc.oneof({ weight: 5, arbitrary: fc.integer({ min: 1, max: 4 }) }, fc.integer({ min: 0, max: 65_535 }))
const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array))

/** One record of any type, more often of those that matter. */
const anyRecord = fc
  .tuple(fc.oneof({ weight: 6, arbitrary: fc.integer({ min: 1, max: 11 }) }, fc.integer({ min: 0, max: 255 })), requestId, bytes)
  .map(([type, id, content]) => encodeRecord(type, id, content))

/** Params of a request that may be odd, but can be read. */
const params = fc
  .record({
    url: fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...URLS) }, fc.webPath()),
    method: fc.constantFrom('GET', 'GET', 'GET', 'POST', 'POST', 'POST', 'HEAD', 'HEAD', 'PUT', 'CONNECT', 'G T', ''),
    length: fc.option(fc.oneof(fc.integer({ min: -1, max: 400 }).map(String), fc.string({ maxLength: 5 })), { nil: undefined }),
    headers: fc.array(fc.tuple(fc.stringMatching(/^[A-Za-z_-]{1,12}$/), fc.oneof({ weight: 9, arbitrary: fc.string({ maxLength: 20 }) }, fc.string({ unit: 'binary-ascii', maxLength: 20 }))), { maxLength: 4 }),
  })
  .map(({ url, method, length, headers }) => {
    const pairs = nginxParams({ url, method, headers, extra: length === undefined ? {} : { CONTENT_LENGTH: length } })
    return encodePairs(pairs)
  })

/** The records of one request, each stream in some pieces. */
const request = fc
  .record({
    id: requestId,
    role: fc.oneof({ weight: 6, arbitrary: fc.integer({ min: 1, max: 3 }) }, fc.integer({ min: 0, max: 65_535 })),
    keepConnection: fc.boolean(),
    params,
    body: bytes,
    data: bytes,
    ends: fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }),
    abort: fc.integer({ min: 0, max: 12 }),
    /** What comes in streams that have ended. */
    more: fc.array(fc.tuple(fc.constantFrom(RecordType.PARAMS, RecordType.STDIN, RecordType.DATA), bytes), { maxLength: 3 }),
  })
  .map(({ id, role, keepConnection, params: pairs, body, data, ends, abort, more }) => {
    const records = [encodeBeginRequest(id, { role, keepConnection }), encodeStream(RecordType.PARAMS, id, pairs)]
    if (ends[0] !== false) records.push(encodeRecord(RecordType.PARAMS, id))
    records.push(encodeStream(RecordType.STDIN, id, body))
    if (ends[1] !== false) records.push(encodeRecord(RecordType.STDIN, id))
    if (role === 3) records.push(encodeStream(RecordType.DATA, id, data), encodeRecord(RecordType.DATA, id))
    for (const [type, content] of more) records.push(encodeRecord(type, id, content))
    if (abort < records.length) records.splice(abort, 0, encodeRecord(RecordType.ABORT_REQUEST, id))
    return records
  })

/** Several requests, whose records are interleaved and mixed with any others. */
export const conversation: fc.Arbitrary<Buffer> = fc
  .tuple(fc.array(request, { minLength: 1, maxLength: 4 }), fc.array(anyRecord, { maxLength: 3 }), fc.integer())
  .map(([requests, others, seed]) => Buffer.concat(interleave([...requests, others], seed)))

function interleave(streams: readonly Buffer[][], seed: number): Buffer[] {
  const queues = streams.map((records) => [...records]).filter((records) => records.length > 0)
  const out: Buffer[] = []
  let state = seed >>> 0
  while (queues.length > 0) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    const index = (state >>> 8) % queues.length
    const record = queues[index]?.shift()
    if (record !== undefined) out.push(record)
    if (queues[index]?.length === 0) queues.splice(index, 1)
  }
  return out
}

/** A change of a stream: an octet replaced, octets cut out, repeated or put in. */
const mutation = fc.record({
  kind: fc.constantFrom('replace', 'remove', 'repeat', 'insert'),
  // A double would nearly always be next to 0.
  at: fc.integer({ min: 0, max: 1_000_000 }).map((millionth) => millionth / 1_000_000),
  length: fc.integer({ min: 1, max: 40 }),
  octet: fc.integer({ min: 0, max: 255 }),
})

/** A conversation with some changes. */
export const spoiled: fc.Arbitrary<Buffer> = fc
  .tuple(conversation, fc.array(mutation, { minLength: 1, maxLength: 6 }))
  .map(([stream, mutations]) => mutations.reduce(mutate, stream))

function mutate(stream: Buffer, { kind, at, length, octet }: { kind: string; at: number; length: number; octet: number }): Buffer {
  const start = Math.min(stream.length, Math.floor(at * stream.length))
  const [before, after] = [stream.subarray(0, start), stream.subarray(start)]
  if (kind === 'replace') return Buffer.concat([before, Buffer.of(octet), after.subarray(1)])
  if (kind === 'remove') return Buffer.concat([before, after.subarray(length)])
  if (kind === 'repeat') return Buffer.concat([before, after.subarray(0, length), after])
  return Buffer.concat([before, Buffer.alloc(length, octet), after])
}

/** A request that is whole but for changes within its PARAMS. */
export const spoiledParams: fc.Arbitrary<Buffer> = fc
  .tuple(requestId, params, fc.array(mutation, { minLength: 1, maxLength: 3 }), bytes)
  .map(([id, pairs, mutations, body]) =>
    Buffer.concat([
      encodeBeginRequest(id, { role: 1, keepConnection: true }),
      encodeStream(RecordType.PARAMS, id, mutations.reduce(mutate, pairs)),
      encodeRecord(RecordType.PARAMS, id),
      encodeStream(RecordType.STDIN, id, body),
      encodeRecord(RecordType.STDIN, id),
    ]),
  )

/** Octets without any sense, often with a plausible beginning. */
export const noise: fc.Arbitrary<Buffer> = fc
  .tuple(fc.boolean(), fc.uint8Array({ minLength: 1, maxLength: 4000 }))
  .map(([plausible, array]) => {
    const octets = Buffer.from(array)
    if (plausible) octets[0] = 1
    return octets
  })

/** How a peer writes and leaves. */
export const manner = fc.record({
  /** Octets a write. */
  cut: fc.oneof(fc.constant(1_000_000), fc.integer({ min: 1, max: 64 }), fc.integer({ min: 65, max: 2000 })),
  leave: fc.constantFrom('end', 'destroy', 'stay'),
  reads: fc.boolean(),
})
