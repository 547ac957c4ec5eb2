/** A web server that speaks FastCGI to the gateway's HTTP port, and an application that speaks HTTP to the gateway. */
import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import { afterEach, expect, it, jest } from '@jest/globals'
import { createServer, gateway, type FastCgiError } from 'express-responder'
import { encodeRequest } from '../support/fastcgi-client.js'
import { close, exchangeRaw, fetchFrom, listen, portOf } from '../support/http.js'
import { nginxParams } from '../support/nginx-params.js'

const cleanups: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup()
})

async function listening(server: http.Server): Promise<http.Server> {
  await listen(server)
  cleanups.push(() => close(server))
  return server
}

it('FastCGI that comes to the HTTP port: the process warns once, with the remedy', async () => {
  const front = await listening(gateway(createServer((_req, res) => res.end('hello'))))
  const warn = jest.spyOn(process, 'emitWarning').mockReturnValue()
  try {
    expect(await exchangeRaw(front, 'no request\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /)
    expect(warn).not.toHaveBeenCalled()
    for (let i = 0; i < 2; i++) expect(await exchangeRaw(front, encodeRequest({ requestId: 1, params: nginxParams() }))).toMatch(/^HTTP\/1\.1 400 /)
    expect(warn.mock.calls).toEqual([[expect.stringContaining('proxy_pass instead of fastcgi_pass'), { type: 'FastCgiWarning', code: 'ERR_FCGI_HTTP_PORT' }]])
  } finally {
    warn.mockRestore()
  }
  expect((await fetchFrom(front)).body.toString()).toBe('hello')
})

it.each([
  ['HTTP', 'HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n'],
  ['TLS', Buffer.from([21, 3, 1, 0, 2, 2, 70])],
])('an application that answers by %s: the client and upstreamError have the remedy', async (spoken, answer) => {
  const application = net.createServer((socket) => {
    socket.on('error', () => undefined).once('data', () => socket.end(answer))
  })
  application.listen(0, '127.0.0.1')
  await once(application, 'listening')
  cleanups.push(async () => {
    application.close()
    await once(application, 'close')
  })
  await expectRemedy((application.address() as net.AddressInfo).port, spoken)
})

it('an application on Node’s own HTTP server', async () => {
  await expectRemedy(portOf(await listening(http.createServer((_req, res) => res.end('hello')))), 'HTTP')
})

async function expectRemedy(port: number, spoken: string): Promise<void> {
  const front = await listening(gateway({ host: '127.0.0.1', port }))
  const failed = once(front, 'upstreamError')
  const { status, body } = await fetchFrom(front)
  const [error] = (await failed) as [FastCgiError]
  const message = expect.stringMatching(new RegExp(`^the application answers by ${spoken}, not FastCGI: .*serve\\(app\\)`))
  expect({ status, code: error.code, message: error.message }).toEqual({ status: 502, code: 'ERR_FCGI_BAD_VERSION', message })
  expect(body.toString()).toContain(error.message)
}
