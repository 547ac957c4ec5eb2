/** Exceptions of the app's own, in a process that survives them: the connection goes on, octet for octet. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { encodeRequest, FastCgiClient } from '../support/fastcgi-client.js'
import { nginxParams } from '../support/nginx-params.js'
import { ServerProcess } from './support/server-process.js'

let victim: ServerProcess

beforeAll(async () => {
  victim = await ServerProcess.start({ survive: true })
})

afterAll(async () => {
  await victim.stop()
})

const request = (requestId: number, url: string, body = ''): Buffer =>
  encodeRequest({ requestId, params: nginxParams({ url, method: body === '' ? 'GET' : 'POST', ...(body === '' ? {} : { body }) }), body })

describe('a handler that throws synchronously', () => {
  it.each([
    ['at the beginning of a chunk', [request(1, '/throw'), request(2, '/innocent'), request(3, '/echo', 'three')]],
    ['in the middle of a chunk', [request(2, '/innocent'), request(1, '/throw'), request(3, '/echo', 'three')]],
    ['twice in a chunk', [request(1, '/throw'), request(2, '/innocent'), request(4, '/throw'), request(3, '/echo', 'three')]],
    ['with a body of its own', [request(1, '/throw', 'thrown away'), request(2, '/innocent'), request(3, '/echo', 'three')]],
  ])('%s: the other requests of the chunk are answered', async (_where, parts) => {
    const client = await FastCgiClient.connect(victim.path)
    for (const id of [1, 2, 3, 4]) client.expect(id)
    await client.send(...parts)
    expect((await client.response(2)).body.toString()).toBe('innocent')
    expect((await client.response(3)).body.toString()).toBe('three')
    expect((await client.request({ requestId: 9, params: nginxParams({ url: '/innocent' }) })).status).toBe(200)
    expect(client.violations).toEqual([])
    await client.destroy()
  })
  it.each([1, 7, 16, 100])('in a stream cut into pieces of %i octets', async (size) => {
    const client = await FastCgiClient.connect(victim.path)
    for (const id of [1, 2, 3]) client.expect(id)
    await client.sendCut(Buffer.concat([request(1, '/throw', 'body'), request(2, '/innocent'), request(3, '/echo', 'three')]), size)
    expect((await client.response(2)).body.toString()).toBe('innocent')
    expect((await client.response(3)).body.toString()).toBe('three')
    await client.destroy()
  })
  it('the request that threw stays open, as over HTTP, and ends when the web server leaves', async () => {
    const client = await FastCgiClient.connect(victim.path)
    client.expect(1)
    await client.send(request(1, '/throw'))
    expect((await client.request({ requestId: 2, params: nginxParams({ url: '/innocent' }) })).status).toBe(200)
    expect(client.soFar(1).complete).toBe(false)
    await client.destroy()
  })
  it('no exception but those of the app was seen', async () => {
    expect((await victim.report()).uncaught).toEqual([])
  })
})
