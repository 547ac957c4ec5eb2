/** A request whose reader is full pauses its connection; the connection goes on as soon as nothing of that request is to come any more. */
import { describe, expect, it } from '@jest/globals'
import type { IncomingMessage, RequestListener } from 'node:http'
import { RecordType } from '../../lib/fastcgi/record.js'
import type { FastCgiClient } from '../support/fastcgi-client.js'
import { nginxParams } from '../support/nginx-params.js'
import { start, turns } from './support/started.js'

const LONG = 60_000
/** More than a request buffers on any version of Node, in one read. */
const WHOLE_BODY = 100_000
/** HAProxy sends on after the answer. */
const post = (length: number): [string, string][] =>
  nginxParams({ method: 'POST', url: '/', extra: { SERVER_SOFTWARE: 'HAProxy 2.6.12', CONTENT_LENGTH: String(length) } })
const ended = (client: FastCgiClient, requestId: number): number =>
  client.records.filter((record) => record.type === RecordType.END_REQUEST && record.requestId === requestId).length

/** Sends in one write, which is read at once: what comes after a pause as well. */
async function together(client: FastCgiClient, send: () => Promise<void>[]): Promise<void> {
  client.socket.cork()
  const sent = send()
  client.socket.uncork()
  await Promise.all(sent)
}

describe('a connection that a full reader has paused goes on', () => {
  /** Answers at once, and reads nothing of the body before it is told to. */
  const answeredEarly = (requests: IncomingMessage[] = []): RequestListener => (req, res) => {
    requests.push(req)
    res.end('early')
    req.on('readable', () => undefined)
  }

  it('where the app has answered, and then destroys the request', async () => {
    const requests: IncomingMessage[] = []
    const { connect } = await start(() => answeredEarly(requests), { timeouts: { drain: LONG } })
    const client = await connect()
    await client.begin(1)
    await client.params(1, post(1_000_000))
    const sent = client.stdin(1, Buffer.alloc(1_000_000))
    while ((requests[0]?.readableLength ?? 0) === 0) await turns(1)
    await turns()
    expect(requests[0]?.readableLength).toBeLessThan(500_000)
    requests[0]?.destroy()
    await sent
    expect((await client.response(1)).body.toString()).toBe('early')
    expect((await client.request({ params: post(0) })).body.toString()).toBe('early')
  })

  it('where the app has answered, and the web server uses the id of the request anew', async () => {
    const { connect } = await start(() => answeredEarly(), { timeouts: { drain: 0 } })
    const client = await connect()
    await together(client, () => [
      client.begin(1), client.params(1, post(WHOLE_BODY)), client.stdin(1, Buffer.alloc(WHOLE_BODY - 1), false), client.begin(1), client.params(1, post(0)),
    ])
    await client.until(() => ended(client, 1) === 2)
    await client.begin(2)
    await client.params(2, post(0))
    await client.until(() => ended(client, 2) === 1)
  })

  it.each([
    ['of a known length', post(WHOLE_BODY)],
    ['of an unknown length', post(-1)],
  ])('where the app has answered, and the whole body %s has come', async (_what, params) => {
    const { connect } = await start(() => answeredEarly(), { timeouts: { drain: LONG } })
    const client = await connect()
    await together(client, () => [client.begin(1), client.params(1, params), client.stdin(1, Buffer.alloc(WHOLE_BODY))])
    expect((await client.response(1)).body.toString()).toBe('early')
    expect((await client.request({ params: post(0) })).body.toString()).toBe('early')
  })

  it('where the whole body has come, so that an ABORT_REQUEST is heard of during a long response', async () => {
    const { connect, journal } = await start((noted) => (req, res) => {
      res.write('first')
      req.on('readable', () => undefined)
      res.on('close', () => {
        noted.note('closed', res.writableFinished)
      })
    })
    const client = await connect()
    await together(client, () => [client.begin(1), client.params(1, post(WHOLE_BODY)), client.stdin(1, Buffer.alloc(WHOLE_BODY))])
    await client.until(() => client.soFar(1).stdout.includes('first'))
    await client.abort(1)
    expect((await client.response(1)).appStatus).toBe(1)
    expect(journal.entries).toEqual(['closed false'])
  })
})
