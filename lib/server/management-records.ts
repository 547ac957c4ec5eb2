/** What management records are answered with (FastCGI specification, section 4). Pure: bytes in, bytes out. */
import { decodePairs, encodePairs } from '../fastcgi/params.js'
import { MANAGEMENT_REQUEST_ID, RecordType, encodeRecord, encodeUnknownType } from '../fastcgi/record.js'
import type { ServerConfiguration } from './options.js'

/**
 * The answer to one management record: GET_VALUES gets what is known of the names it asks for, any other type UNKNOWN_TYPE.
 *
 * @param chunk holds the record's content from `start` up to `end`
 * @returns undefined where the names cannot be read.
 */
export function answerManagementRecord(
  type: number,
  chunk: Uint8Array,
  start: number,
  end: number,
  { connections, requestsPerConnection }: ServerConfiguration['limits'],
): Buffer | undefined {
  if (type !== RecordType.GET_VALUES) return encodeUnknownType(type)
  const wanted = decodePairs(chunk, start, end)
  if (wanted === undefined) return undefined
  const values = new Map([
    ['FCGI_MAX_CONNS', String(connections)],
    ['FCGI_MAX_REQS', String(connections * requestsPerConnection)],
    ['FCGI_MPXS_CONNS', '1'],
  ])
  const names = new Set(wanted.map(([name]) => name))
  const answer = encodePairs([...names].map((name) => [name, values.get(name)] as const))
  return encodeRecord(RecordType.GET_VALUES_RESULT, MANAGEMENT_REQUEST_ID, answer)
}
