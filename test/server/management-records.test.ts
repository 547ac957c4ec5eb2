/** Management records whose octets come in several reads: one record, one answer (specification, section 4). */
import { describe, expect, it } from '@jest/globals'
import type { RequestListener } from 'node:http'
import { encodeRecord, MANAGEMENT_REQUEST_ID, RecordType } from '../../lib/fastcgi/record.js'
import { nginxParams } from '../support/nginx-params.js'
import { start, turns } from './support/started.js'

const hello = (): RequestListener => (_req, res) => res.end('hello')

describe('a management record in several reads', () => {
  it.each(Object.entries({ PARAMS: RecordType.PARAMS, STDIN: RecordType.STDIN, STDERR: RecordType.STDERR, DATA: RecordType.DATA, unknown: 99 }))(
    'of the type %s has one answer',
    async (_name, type) => {
      const { connect } = await start(hello)
      const client = await connect()
      const record = encodeRecord(type, MANAGEMENT_REQUEST_ID, Buffer.alloc(1000))
      for (const [from, to] of [[0, 20], [20, 500], [500, record.length]]) {
        await client.send(record.subarray(from, to))
        // Each piece is read before the next is sent.
        await turns()
      }
      expect((await client.request({ params: nginxParams({ url: '/hello' }) })).status).toBe(200)
      const answers = client.records.filter((answer) => answer.type === RecordType.UNKNOWN_TYPE)
      expect(answers.map(({ content }) => content[0])).toEqual([type])
    },
  )
})
