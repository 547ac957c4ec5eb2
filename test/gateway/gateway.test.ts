/** The gateway in front of a scripted application: what it sends, what it makes of proper answers. */
import { afterEach, describe, expect, it } from '@jest/globals'
import { gateway, type GatewayOptions } from 'express-responder'
import request from 'supertest'
import { ScriptedApplication, type ScriptedRequest } from '../support/scripted-application.js'

const running: ScriptedApplication[] = []

afterEach(async () => {
  await Promise.all(running.splice(0).map((application) => application.stop()))
})

async function start(script: (request: ScriptedRequest) => unknown, options?: GatewayOptions) {
  const application = await ScriptedApplication.start(script)
  running.push(application)
  return { application, server: gateway(application.path, options) }
}

describe('a gateway and its application', () => {
  it('answers with what the application says', async () => {
    const { server } = await start((asked) => {
      asked.reply('Status: 201 Made\r\nContent-Type: text/plain\r\nX-Twice: 1\r\nX-Twice: 2\r\nContent-Length: 5', 'hello')
    })
    const response = await request(server).get('/')
    expect(response.status).toBe(201)
    expect(response.text).toBe('hello')
    expect(response.headers).toMatchObject({ 'content-type': 'text/plain', 'x-twice': '1, 2', 'content-length': '5' })
  })

  it('passes a body on', async () => {
    const { server } = await start(async (asked) => {
      asked.reply('Status: 200 OK', await asked.body())
    })
    const response = await request(server).post('/').send('a=1')
    expect(response.text).toBe('a=1')
  })
})
