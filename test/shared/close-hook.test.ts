/** Who must know that a request's socket closes is told without a listener, and beside others who must know. */
import { afterEach, describe, expect, it } from '@jest/globals'
import express from 'express'
import { EventEmitter, once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createServer, type FastCgiServer } from 'express-responder'
import { concurrencyLimit, recovery } from 'express-responder/middleware'
import { CLOSE_HOOK, emitClose, onClosing, type CloseHook } from '../../shared/close-hook.js'
import { FastCgiClient } from '../support/fastcgi-client.js'
import { nginxParams } from '../support/nginx-params.js'

let server: FastCgiServer | undefined

afterEach(() => {
  server?.close()
  server?.closeAllConnections()
  recovery.uninstall()
  concurrencyLimit.uninstall()
})

describe('the middleware over FastCGI', () => {
  it('puts no listener on the socket of a request, and still learns that its client has left', async () => {
    const cap = concurrencyLimit({ limit: 1, queue: { max: 0 } })
    let come: (request: IncomingMessage) => void
    const arrived = new Promise<IncomingMessage>((resolve) => { come = resolve })
    server = createServer(express().use(recovery(), cap, (request) => { come(request) })).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const client = await FastCgiClient.connect({ host: '127.0.0.1', port: (server.address() as AddressInfo).port })
    client.request({ params: nginxParams({ url: '/' }) }).catch(() => undefined)
    const { socket } = await arrived
    expect(socket.listenerCount('close')).toBe(0)
    expect(cap.active).toBe(1)
    const closed = once(socket, 'close')
    await client.destroy()
    await closed
    expect(cap.active).toBe(0)
  })
})

describe('a socket with the slot', () => {
  class Hooked extends EventEmitter {
    [CLOSE_HOOK]: CloseHook<object> | undefined = undefined

    close(): void {
      emitClose(this, false)
    }
  }

  it('tells the first by the slot, and all others, such as another copy of the package, as listeners', () => {
    const socket = new Hooked()
    const told: [string, unknown][] = []
    onClosing(socket, function first() { told.push(['first', this]) })
    onClosing(socket, function second() { told.push(['second', this]) })
    expect(socket.listenerCount('close')).toBe(1)
    socket.close()
    expect(told).toEqual([['first', socket], ['second', socket]])
  })

  it('closes without anybody', () => {
    expect(() => { new Hooked().close() }).not.toThrow()
  })
})

it('a socket without the slot is listened to', () => {
  const socket = new EventEmitter()
  let told = 0
  onClosing(socket, () => { told += 1 })
  socket.emit('close')
  expect(told).toBe(1)
})
