/** The test client itself: it must see what an application must not send. */
import { afterEach, describe, expect, it } from '@jest/globals'
import { encodeEndRequest, encodeRecord, RecordType } from '../../lib/fastcgi/record.js'
import { FastCgiClient } from './fastcgi-client.js'
import { nginxParams } from './nginx-params.js'
import { ScriptedApplication, type ScriptedRequest } from './scripted-application.js'

const cleanups: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup()
})

async function connect(script: (asked: ScriptedRequest) => unknown): Promise<FastCgiClient> {
  const application = await ScriptedApplication.start(script)
  const client = await FastCgiClient.connect(application.path)
  cleanups.push(() => client.destroy(), () => application.stop())
  return client
}

describe('FastCgiClient', () => {
  it('sends a request and reads the response, however it is cut', async () => {
    const client = await connect(async (asked) => {
      asked.reply('Status: 201 Made\r\nX-Twice: 1\r\nX-Twice: 2', await asked.body())
    })
    for (const cut of [1, 7, 1000]) {
      const response = await client.request({ params: nginxParams({ method: 'POST', body: 'hello' }), body: 'hello', cut })
      expect(response).toMatchObject({ status: 201, statusMessage: 'Made', appStatus: 0, protocolStatus: 0, complete: true })
      expect(response.headers).toEqual({ 'status': '201 Made', 'x-twice': '1, 2' })
      expect(String(response.body)).toBe('hello')
    }
  })

  it('tells uses of one id apart', async () => {
    const client = await connect((asked) => {
      asked.reply('Status: 200 OK', asked.params['REQUEST_URI'])
    })
    for (const url of ['/one', '/two']) {
      expect(String((await client.request({ requestId: 1, params: nginxParams({ url }) })).body)).toBe(url)
    }
  })

  it('collects what came of a response that is cut short', async () => {
    const client = await connect((asked) => asked.connection.socket.end(asked.stdout('Status: 200 OK\r\n\r\nhalf')))
    await expect(client.request()).rejects.toThrow('closed before END_REQUEST')
    const response = await client.collect(1)
    expect(response).toMatchObject({ complete: false, status: 200, appStatus: -1 })
    expect(String(response.body)).toBe('half')
  })

  it.each<[name: string, script: (asked: ScriptedRequest) => void]>([
    ['END_REQUEST before the end of STDOUT', (asked) => {
      asked.send(asked.stdout('Status: 200 OK\r\n\r\n'), encodeEndRequest(1, { appStatus: 0, protocolStatus: 0 }))
    }],
    ['STDOUT after its end', (asked) => {
      asked.send(encodeRecord(RecordType.STDOUT, 1), asked.stdout('more'), asked.end())
    }],
    ['END_REQUEST before the end of STDERR', (asked) => {
      asked.send(encodeRecord(RecordType.STDERR, 1, Buffer.from('x')), asked.end())
    }],
    ['never begun', (asked) => {
      asked.send(encodeRecord(RecordType.STDOUT, 2), asked.end())
    }],
    ['not end 8-byte aligned', (asked) => {
      asked.send(Buffer.from('0106000100010000 41'.replace(' ', ''), 'hex'), asked.end())
    }],
    ['version 2', (asked) => {
      asked.send(Buffer.from('0206000100000000', 'hex'), asked.end())
    }],
    ['reserved octet', (asked) => {
      asked.send(Buffer.from('0106000100000001', 'hex'), asked.end())
    }],
    ['record of type 5', (asked) => {
      asked.send(encodeRecord(RecordType.STDIN, 1), asked.end())
    }],
    ['protocol status 4', (asked) => {
      asked.send(asked.end({ protocolStatus: 4 }))
    }],
  ])('rejects: %s', async (text, script) => {
    const client = await connect(script)
    await expect(client.request()).rejects.toThrow(text)
  })
})
