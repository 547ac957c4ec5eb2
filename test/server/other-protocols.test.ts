/** Whoever speaks something else than FastCGI to the socket is told so, and so is whoever operates the server. */
import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import { expect, it, jest } from '@jest/globals'
import { readResponse } from '../support/http.js'
import { nginxParams } from '../support/nginx-params.js'
import { start } from './support/started.js'

it('an HTTP client is answered with the remedy, each time, and the process warns once', async () => {
  const { server, path, connect } = await start(() => (_req, res) => res.end('hello'))
  server.removeAllListeners('clientError')
  server.removeAllListeners('warning')
  const warn = jest.spyOn(process, 'emitWarning').mockReturnValue()
  try {
    for (let i = 0; i < 2; i++) {
      const [response] = (await once(http.get({ socketPath: path, path: '/', agent: false }), 'response')) as [http.IncomingMessage]
      const { status, body } = await readResponse(response)
      expect([status, body.toString()]).toEqual([400, expect.stringContaining('fastcgi_pass instead of proxy_pass')])
    }
    expect(warn.mock.calls).toEqual([[expect.stringContaining('fastcgi_pass'), { type: 'FastCgiWarning', code: 'ERR_FCGI_BAD_VERSION' }]])
  } finally {
    warn.mockRestore()
  }
  const client = await connect()
  expect((await client.request({ params: nginxParams() })).body.toString()).toBe('hello')
})

it('an HTTP client that goes on sending is not read for ever', async () => {
  const { path, journal } = await start(() => (_req, res) => res.end('hello'), { timeouts: { linger: 40 } })
  const socket = net.connect({ path, allowHalfOpen: true })
  socket.on('error', () => undefined).resume()
  socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n')
  const timer = setInterval(() => socket.write('x'.repeat(1000)), 5)
  await new Promise((resolve) => socket.once('close', resolve))
  clearInterval(timer)
  expect(journal.entries).toEqual(['clientError "ERR_FCGI_BAD_VERSION"'])
})

it.each([['TLS', Buffer.from([22, 3, 1, 0, 5]), /^TLS came/], ['anything else', Buffer.from([7, 7]), /version 7/]])('%s: closed, and told', async (_what, bytes, message) => {
  const { server, connect } = await start(() => (_req, res) => res.end('hello'))
  const told = once(server, 'clientError')
  const client = await connect()
  await client.send(bytes)
  await client.whenClosed()
  const [error] = (await told) as [Error]
  expect(error.message).toMatch(message)
})
