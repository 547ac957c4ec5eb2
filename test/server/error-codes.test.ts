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
