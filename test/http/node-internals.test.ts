/** The self-test of what is used of Node's internals: it holds on this Node, and names what a future one lacks. */
import { describe, expect, it } from '@jest/globals'
import { IncomingMessage, ServerResponse } from 'node:http'
import { checkInternals, checkRuntime, LazyEventEmitter, type InternalRequest, type InternalResponse } from '../../lib/http/node-internals.js'
import { createResponderConstructors } from '../../lib/http/prepared-classes.js'

const { Request, Response } = createResponderConstructors(undefined)

function check(changeRequest: (request: InternalRequest) => void, changeResponse: (response: InternalResponse) => void): void {
  checkInternals(
    (socket) => {
      const request = new Request(socket)
      changeRequest(request)
      return request
    },
    (request) => {
      const response = new Response(request)
      changeResponse(response)
      return response
    },
  )
}

const nothing = (): void => undefined

describe('the self-test', () => {
  it('passes on this Node', () => {
    expect(() => {
      check(nothing, nothing)
    }).not.toThrow()
  })

  it.each<[string, (request: InternalRequest) => void, (response: InternalResponse) => void]>([
    ['IncomingMessage._addHeaderLines', (request) => Object.assign(request, { _addHeaderLines: nothing }), nothing],
    ['IncomingMessage._dump', (request) => Object.assign(request, { _dump: undefined }), nothing],
    ['OutgoingMessage._removedConnection', nothing, (response) => Object.assign(response, { _removedConnection: false })],
    ['OutgoingMessage._headerSent', nothing, (response) => Object.defineProperty(response, '_headerSent', { value: true })],
    ['OutgoingMessage._closed', nothing, (response) => Object.assign(response, { _closed: true })],
  ])('names %s', (name, changeRequest, changeResponse) => {
    expect(() => {
      check(changeRequest, changeResponse)
    }).toThrow(name)
  })

  it('names a constructor that can no longer be called', () => {
    expect(() => {
      checkInternals(
        () => {
          throw new TypeError("Class constructor IncomingMessage cannot be invoked without 'new'")
        },
        (request) => new Response(request),
      )
    }).toThrow(/Class constructor/)
  })
})

it('objects are Node’s own', () => {
  const request = new Request(new LazyEventEmitter() as never)
  expect(request).toBeInstanceOf(IncomingMessage)
  expect(new Response(request)).toBeInstanceOf(ServerResponse)
})

describe('the runtime', () => {
  it('is Node, and Bun is told at once what to do', () => {
    expect(() => {
      checkRuntime()
    }).not.toThrow()
    expect(() => {
      checkRuntime({ node: '24.3.0', bun: '1.4.5' })
    }).toThrow(expect.objectContaining({ code: 'ERR_FCGI_UNSUPPORTED_NODE', message: expect.stringMatching(/^Bun 1\.4\.5 .*Run the app with node\. See \S+#err_fcgi_unsupported_node$/) }))
  })
})
