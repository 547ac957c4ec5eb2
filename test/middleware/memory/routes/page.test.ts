import { createServer as createHttpServer, IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { describe, expect, it } from '@jest/globals'
import express from 'express'
import express4 from 'express4'
import { createServer, gateway } from 'express-responder'
import request from 'supertest'
import { pageRoutes, slashed } from '../../../../middleware/memory/routes/page.js'

/** As the endpoint does: the last segment of the path counts, and what is no file of its own is the page. */
function serve(incoming: IncomingMessage, response: ServerResponse): void {
  const segment = (incoming.url ?? '').split('?')[0]?.split('/').at(-1) ?? ''
  const routes = pageRoutes()
  void (routes.find(({ path }) => path === segment) ?? routes[0])?.handle(incoming, response)
}

/** As text, whatever its type. */
async function get(app: RequestListener, path: string): Promise<{ status: number; headers: Record<string, string>; content: string }> {
  const response = await request(createHttpServer(app)).get(path).responseType('blob')
  return { status: response.status, headers: response.headers, content: String(response.body) }
}

/** The page where an app mounts it; requests for it alone arrive. */
const APPS: Readonly<Record<string, () => RequestListener>> = {
  'node:http': () => serve,
  'Express 5': () => express().use('/debug/pprof', serve),
  'Express 4': () => express4().use('/debug/pprof', serve),
}

describe.each(Object.entries(APPS))('the page on %s', (_, app) => {
  it.each([
    ['', 'text/html; charset=utf-8', '<title>Memory</title>'],
    ['page.css', 'text/css; charset=utf-8', '@media (prefers-color-scheme: dark)'],
    ['page.js', 'text/javascript; charset=utf-8', 'EventSource'],
    ['icon.svg', 'image/svg+xml', '<svg'],
  ])('serves %j', async (path, type, part) => {
    const { status, headers, content } = await get(app(), `/debug/pprof/${path}`)
    expect(status).toBe(200)
    expect(headers).toMatchObject({ 'content-type': type, 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' })
    expect(headers['content-security-policy']).toMatch(/^default-src 'self';/)
    expect(content).toContain(part)
    expect(headers['content-length']).toBe(String(Buffer.byteLength(content)))
  })

  it.each([
    ['/debug/pprof', '/debug/pprof/'],
    ['/debug/pprof?pid=1&x=a?b', '/debug/pprof/?pid=1&x=a?b'],
  ])('redirects %s, so that relative addresses work behind any prefix', async (path, target) => {
    for (const server of [createHttpServer(app()), gateway(createServer(app()))]) {
      const { status, headers } = await request(server).get(path)
      expect({ status, cache: headers['cache-control'] }).toEqual({ status: 307, cache: 'no-store' })
      expect(headers['location']).not.toMatch(/^\/|:/)
      const resolve = (prefix: string): string => new URL(String(headers['location']), `https://example.org${prefix}${path}`).href
      expect(resolve('')).toBe(`https://example.org${target}`)
      expect(resolve('/shop')).toBe(`https://example.org/shop${target}`)
    }
  })

  it('answers HEAD without a body', async () => {
    const { status, headers, text } = await request(createHttpServer(app())).head('/debug/pprof/')
    expect({ status, type: headers['content-type'], text }).toEqual({ status: 200, type: 'text/html; charset=utf-8', text: undefined })
    expect(Number(headers['content-length'])).toBeGreaterThan(1000)
  })
})

describe('the redirect', () => {
  function to(url: string): string | undefined {
    const incoming = new IncomingMessage(new Socket())
    incoming.url = url
    return slashed(incoming)
  }

  it.each([['/debug/pprof/', undefined], ['/', undefined], ['/a?b=/', './a/?b=/'], ['/a?', './a/?'], ['/x/%2F', './%2F/'], ['', './/']])('of %j is to %j', (url, target) => {
    expect(to(url)).toBe(target)
  })

  it.each(['//evil.example', '/javascript:alert(1)', '/x//evil.example', '/\\evil.example'])('never leads away: %s', (url) => {
    expect(new URL(to(url) ?? '', `https://example.org/x${url}`).origin).toBe('https://example.org')
  })
})

describe('the files', () => {
  it('need no address outside, no inline script and no inline style', async () => {
    const { content: html } = await get(serve, '/')
    expect(html).not.toMatch(/<style|\sstyle=|\son\w+=|javascript:|<script(?![^>]*src=)/i)
    for (const [, address = ''] of html.matchAll(/(?:href|src)="([^"#]*)"/g)) expect(address).not.toMatch(/^([a-z]+:|\/)/)
    for (const path of ['/page.css', '/page.js']) {
      const { content } = await get(serve, path)
      expect(content).not.toMatch(/url\(|@import|https?:\/\/(?!www\.w3\.org\/2000\/svg)|\.innerHTML|\beval\(/)
    }
  })

  it('have an id for everything that the script looks for', async () => {
    const [{ content: html }, { content: script }] = [await get(serve, '/'), await get(serve, '/page.js')]
    const wanted = [...script.matchAll(/byId(?:Of)?\("([^"]+)"/g)].map(([, id]) => id)
    expect(wanted.length).toBeGreaterThan(30)
    expect(wanted.filter((id) => !html.includes(`id="${String(id)}"`))).toEqual([])
  })
})
