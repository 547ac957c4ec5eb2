/** What is given for an app: both orders, and what is often given in its stead. */
import { describe, expect, it } from '@jest/globals'
import express from 'express'
import express4 from 'express4'
import { FastCgiServer, createServer, serve } from 'express-responder'
import type { RequestListener } from 'node:http'

class Handler {
  readonly kind = 'class'
}

const listener: RequestListener = (_, response) => {
  response.end()
}

describe('createServer()', () => {
  it('takes app and options in either order, options alone, or nothing', () => {
    for (const server of [createServer(listener, { mount: '/shop' }), createServer({ mount: '/shop' }, listener)]) {
      expect(server).toBeInstanceOf(FastCgiServer)
      expect(server.configuration.mount).toBe('/shop')
      expect(server.listeners('request')).toEqual([listener])
    }
    expect(createServer({ mount: '/shop' }).configuration.mount).toBe('/shop')
    expect(createServer().listenerCount('request')).toBe(0)
    expect(createServer(express()).listenerCount('request')).toBe(1)
    expect(createServer(express4()).listenerCount('request')).toBe(1)
    expect(createServer(express.Router() as unknown as RequestListener).listenerCount('request')).toBe(1)
    expect(createServer(express4.Router() as unknown as RequestListener).listenerCount('request')).toBe(1)
  })

  it.each<[string, unknown, RegExp]>([
    ['express itself', express, /call it, const app = express\(\)/],
    ['express 4 itself', express4, /call it, const app = express\(\)/],
    ['Router itself', express.Router, /Router itself: give what it makes/],
    ['Router of express 4 itself', express4.Router, /Router itself: give what it makes/],
    ['a class', Handler, /a class/],
    ['a promise', Promise.resolve(listener), /a promise: await it/],
    ['a module', { default: listener }, /a module: give its default export/],
    ['a path', '/run/app.sock', /the app is string: give an Express app/],
    ['null', null, /the app is null: give an Express app/],
  ])('tells in one line what is wrong with %s', async (_, given, problem) => {
    const wrong = given as RequestListener
    const error = expect.objectContaining({ code: 'ERR_FCGI_OPTION', message: expect.stringMatching(problem) })
    expect(() => createServer(wrong)).toThrow(error)
    expect(() => createServer(wrong, { mount: '/shop' })).toThrow(error)
    await expect(serve(wrong, { port: 0 })).rejects.toEqual(error)
  })

  it('still names an option that there is not, in either order', () => {
    const options: object = { sockets: 1 }
    expect(() => createServer(listener, options)).toThrow(/option sockets: no such option/)
    expect(() => createServer(options, listener)).toThrow(/option sockets: no such option/)
  })
})

describe('serve()', () => {
  it('takes them in either order, too', async () => {
    const { server, stop } = await serve({ port: 0, signals: false }, listener)
    expect(server.listeners('request')).toEqual([listener])
    await stop()
  })

  it('needs an app: without one every request would wait for ever', async () => {
    await expect(serve(undefined, { port: 0 })).rejects.toMatchObject({ code: 'ERR_FCGI_OPTION', message: expect.stringContaining('the app is undefined') })
    await expect(serve({ port: 0 })).rejects.toMatchObject({ code: 'ERR_FCGI_OPTION', message: expect.stringContaining('the app is undefined') })
  })
})
