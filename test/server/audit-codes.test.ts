/** Error codes that an app or an operator can see, each where it arises. */
import { describe, expect, it } from '@jest/globals'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { filterData } from 'express-responder'
import { encodeRecord, RecordType, Role } from '../../lib/fastcgi/record.js'
import { codeOf } from '../contract/support/journal.js'
import { nginxParams } from '../support/nginx-params.js'
import { start } from './support/started.js'

const PARAMS = nginxParams({ url: '/' })

describe('ERR_FCGI_STATUS', () => {
  it('is the warning of a response that ends with an informational status', async () => {
    const { connect, journal } = await start(() => (_req, res) => res.writeHead(102).end())
    const client = await connect()
    expect((await client.request({ params: PARAMS })).status).toBe(500)
    expect(journal.entries).toContain('warning "ERR_FCGI_STATUS"')
  })
})

describe('ERR_FCGI_ABORTED', () => {
  it('is the error of a write whose request the web server has given up', async () => {
    const { connect, journal } = await start((notes) => (_req: IncomingMessage, res: ServerResponse) => {
      // More than the kernel takes: the write is still waiting when the connection goes.
      res.write(Buffer.alloc(8 * 1024 * 1024), (error) => {
        notes.note('written', codeOf(error))
      })
      res.on('error', () => undefined)
      notes.note('asked')
    })
    const client = await connect()
    client.socket.pause()
    await client.begin(1)
    await client.params(1, PARAMS)
    await journal.until('asked')
    client.socket.destroy()
    await journal.until('written')
    expect(journal.entries.filter((entry) => entry.startsWith('written'))).toEqual(['written "ERR_FCGI_ABORTED"'])
  })

  it('is the error of the data of a Filter whose request the web server has given up', async () => {
    const { connect, journal } = await start((notes) => (req: IncomingMessage, res: ServerResponse) => {
      res.on('error', () => undefined)
      req.on('error', () => undefined).resume()
      filterData(req)?.resume().on('error', (error) => {
        notes.note('data', codeOf(error))
      })
      notes.note('asked')
    })
    const client = await connect()
    await client.begin(1, { role: Role.FILTER })
    await client.params(1, PARAMS)
    await client.send(encodeRecord(RecordType.STDIN, 1), encodeRecord(RecordType.DATA, 1, Buffer.from('some')))
    await journal.until('asked')
    client.socket.destroy()
    await once(client.socket, 'close')
    await journal.until('data')
    expect(journal.entries).toContain('data "ERR_FCGI_ABORTED"')
  })
})
