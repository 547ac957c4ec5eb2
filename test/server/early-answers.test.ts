/** Answers that are given before the upload has come: END_REQUEST waits for what is left of it, within bounds. */
import { describe, expect, it } from '@jest/globals'
import type { RequestListener } from 'node:http'
import { RecordType } from '../../lib/fastcgi/record.js'
import type { FastCgiClient } from '../support/fastcgi-client.js'
import { nginxParams } from '../support/nginx-params.js'
import { start } from './support/started.js'

const HAPROXY = { SERVER_SOFTWARE: 'HAProxy 2.6.12' }
const early = (): RequestListener => (_req, res) => {
  res.statusCode = 413
  res.end('too large')
}
const params = (length: number, extra: Record<string, string> = HAPROXY): [string, string][] =>
  nginxParams({ method: 'POST', url: '/', extra: { ...extra, CONTENT_LENGTH: String(length) } })
const hasEnded = (client: FastCgiClient): boolean => client.records.some(({ type }) => type === RecordType.END_REQUEST)
/** The whole answer has come, but for its end. */
const answered = (client: FastCgiClient): Promise<void> => client.until(() => client.soFar(1).stdout.includes('too large'))

describe('END_REQUEST of an answer before the upload', () => {
  it('comes with the last octet that was announced, and the connection goes on', async () => {
    const { connect } = await start(early, { timeouts: { drain: 60_000 } })
    const client = await connect()
    await client.begin(1)
    await client.params(1, params(30))
    await answered(client)
    for (const rest of ['a'.repeat(10), 'b'.repeat(10)]) {
      await client.stdin(1, rest, false)
      await client.getValues()
      const before = client.records.filter(({ requestId }) => requestId === 0).length
      await client.until(() => client.records.filter(({ requestId }) => requestId === 0).length >= before)
      expect(hasEnded(client)).toBe(false)
    }
    await client.stdin(1, 'c'.repeat(10))
    expect(await client.response(1)).toMatchObject({ status: 413, appStatus: 0 })
    expect((await client.request({ params: params(0) })).status).toBe(413)
  })

  it('comes with the end of a body of unknown length', async () => {
    const { connect } = await start(early, { timeouts: { drain: 60_000 } })
    const client = await connect()
    await client.begin(1)
    await client.params(1, params(-1))
    await answered(client)
    await client.stdin(1, 'some', false)
    expect(hasEnded(client)).toBe(false)
    await client.stdin(1, 'more')
    expect((await client.response(1)).status).toBe(413)
  })

  it.each([
    ['nothing more of it comes', HAPROXY, { drain: 20 }],
    ['the web server is one that sends no more after the answer', { SERVER_SOFTWARE: 'nginx/1.22.1' }, { drain: 60_000 }],
    ['it is not to be waited for', HAPROXY, { drain: 0 }],
  ])('comes without it where %s', async (_what, extra, timeouts) => {
    const { connect, journal } = await start(early, { timeouts })
    const client = await connect()
    await client.begin(1)
    await client.params(1, params(30, extra))
    expect((await client.response(1)).status).toBe(413)
    await client.stdin(1, 'a'.repeat(30))
    expect((await client.request({ params: params(0) })).status).toBe(413)
    expect(journal.entries).toEqual([])
  })

  it('comes without it where it is more than is drained', async () => {
    const { connect } = await start(early, { timeouts: { drain: 60_000 }, limits: { drainBytes: 1000 } })
    const client = await connect()
    await client.begin(1)
    await client.params(1, params(100_000))
    await answered(client)
    await client.stdin(1, 'a'.repeat(2000), false)
    expect((await client.response(1)).status).toBe(413)
  })

  it('comes at once where the web server gives the request up, or sends more than it has announced', async () => {
    const { connect } = await start(early, { timeouts: { drain: 60_000 } })
    for (const giveUp of [(client: FastCgiClient) => client.abort(1), (client: FastCgiClient) => client.stdin(1, 'a'.repeat(31), false)]) {
      const client = await connect()
      await client.begin(1)
      await client.params(1, params(30))
      await answered(client)
      await giveUp(client)
      expect((await client.response(1)).status).toBe(413)
    }
  })

  it('leaves with the answer where the upload is there already, and nobody waits who sends no body', async () => {
    const { connect } = await start(early, { timeouts: { drain: 60_000 } })
    const client = await connect()
    expect((await client.request({ params: params(5), body: '12345' })).status).toBe(413)
    await client.begin(2)
    await client.params(2, nginxParams({ extra: HAPROXY }))
    expect((await client.response(2)).status).toBe(413)
  })

  it('a connection that is to close does so when the upload has come', async () => {
    const { connect } = await start(early, { timeouts: { drain: 60_000 } })
    const client = await connect()
    await client.begin(1, { keepConnection: false })
    await client.params(1, params(5))
    await answered(client)
    expect(client.ended).toBe(false)
    await client.stdin(1, '12345')
    expect((await client.response(1)).status).toBe(413)
    await client.whenEnded()
  })
})
