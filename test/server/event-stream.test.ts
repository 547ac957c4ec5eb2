/** Server-sent events behind nginx, which gathers a response unless the response says otherwise. */
import { describe, expect, it } from '@jest/globals'
import type { RequestListener } from 'node:http'
import { nginxParams } from '../support/nginx-params.js'
import { start } from './support/started.js'

/** The X-Accel-Buffering lines of a response that an app makes, to a web server of this name. */
async function buffering(app: RequestListener, software: string): Promise<string[]> {
  const { connect } = await start(() => app)
  const client = await connect()
  const { stdout } = await client.request({ params: nginxParams({ extra: { SERVER_SOFTWARE: software } }) })
  return stdout.toString().match(/^X-Accel-Buffering: .*$/gim) ?? []
}

function events(headers: Record<string, string> = {}): RequestListener {
  return (_req, res) => {
    res.writeHead(200, { 'Content-Type': 'text/event-stream; charset=utf-8', ...headers })
    res.write('data: 1\n\n')
    res.end()
  }
}

describe('an event stream', () => {
  it('asks nginx not to gather it', async () => {
    expect(await buffering(events(), 'nginx/1.22.1')).toEqual(['X-Accel-Buffering: no'])
  })

  it('asks what its app asks, where it does', async () => {
    expect(await buffering(events({ 'x-accel-buffering': 'yes' }), 'nginx/1.22.1')).toEqual(['x-accel-buffering: yes'])
  })

  it('asks nobody else, who would show the header to the client', async () => {
    expect(await buffering(events(), 'lighttpd/1.4.69')).toEqual([])
  })
})

describe('any other response', () => {
  it('leaves buffering to nginx', async () => {
    const app: RequestListener = (_req, res) => {
      res.write('a')
      res.end('b')
    }
    expect(await buffering(app, 'nginx/1.22.1')).toEqual([])
  })
})
