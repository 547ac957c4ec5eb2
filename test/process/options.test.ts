/** The options of serve(): defaults, and what a wrong one is answered with. */
import { inspect } from 'node:util'
import { describe, expect, it } from '@jest/globals'
import { resolve } from 'node:path'
import { resolveOptions } from '../../lib/process/options.js'

describe('the options of serve()', () => {
  it('have defaults that open nothing to others', () => {
    expect(resolveOptions({ socket: '/run/app/app.sock' })).toEqual({
      place: { kind: 'socket', path: '/run/app/app.sock', mode: 0o660, owner: undefined, group: undefined, backlog: 4096, replace: false },
      stopTimeout: 10_000,
      signals: true,
      server: {},
    })
    expect(resolveOptions({ port: 9000 }).place).toEqual({ kind: 'tcp', host: '127.0.0.1', port: 9000, backlog: 4096 })
    expect(resolveOptions().place).toMatchObject({ kind: 'inherited', fd: undefined })
  })

  it('take undefined for absent', () => {
    const absent = { mode: undefined, owner: undefined, group: undefined, port: undefined, fd: undefined, stopTimeout: undefined }
    expect(resolveOptions({ socket: '/run/app.sock', ...absent })).toEqual(resolveOptions({ socket: '/run/app.sock' }))
  })

  it('hand on what is the server\'s', () => {
    expect(resolveOptions({ socket: '/run/app.sock', mount: '/shop' }).server).toEqual({ mount: '/shop' })
  })

  it('make a path absolute, so that a change of directory does not move it', () => {
    expect(resolveOptions({ socket: 'app.sock' }).place).toMatchObject({ path: resolve('app.sock') })
  })

  it.each([[0o600, 0o600], ['0600', 0o600], ['600', 0o600], ['0o666', 0o666], [0, 0]])('read the mode %p', (mode, expected) => {
    expect(resolveOptions({ socket: '/run/app.sock', mode }).place).toMatchObject({ mode: expected })
  })

  it.each([
    ['socket', { socket: '' }],
    ['socket', { socket: 7 }],
    ['socket', { socket: '/run/app/' }],
    ['mode', { socket: '/run/app.sock', mode: 660 }],
    ['mode', { socket: '/run/app.sock', mode: 'rw-rw----' }],
    ['mode', { socket: '/run/app.sock', mode: -1 }],
    ['owner', { socket: '/run/app.sock', owner: -1 }],
    ['group', { socket: '/run/app.sock', group: '' }],
    ['group', { socket: '/run/app.sock', group: true }],
    ['port', { port: 65536 }],
    ['port', { port: '' }],
    ['port', { port: '90a' }],
    ['port', { port: '70000' }],
    ['port', { port: '/run/app.sock' }],
    ['port', { port: '\\\\.\\pipe\\app' }],
    ['replace', { socket: '/run/app.sock', replace: 'yes' }],
    ['replace', { port: 9000, replace: true }],
    ['socket', { socket: '9000' }],
    ['socket', { socket: 'localhost:9000' }],
    ['socket', { socket: 'tcp://[::1]:9000' }],
    ['socket', { socket: '\\\\.\\pipe\\app' }],
    ['host', { port: 9000, host: '' }],
    ['host', { socket: '/run/app.sock', host: '127.0.0.1' }],
    ['mode', { port: 9000, mode: 0o660 }],
    ['fd', { fd: -1 }],
    ['fd', { fd: 1.5 }],
    ['fd', { fd: null }],
    ['backlog', { port: 9000, backlog: 0 }],
    ['stopTimeout', { port: 9000, stopTimeout: -1 }],
    ['stopTimeout', { port: 9000, stopTimeout: Infinity }],
    ['signals', { port: 9000, signals: 'no' }],
  ])('name a wrong %s, its value and the remedy: %p', (name, options: Record<string, unknown>) => {
    expect(() => resolveOptions(options)).toThrow(expect.objectContaining({
      code: 'ERR_FCGI_OPTION',
      message: expect.stringMatching(/^serve: option \w+ is .*: (give|name|a path|it has) \S.*[^.]\. See /),
    }))
    expect(() => resolveOptions(options)).toThrow(`option ${name} is ${inspect(options[name])}: `)
  })

  it.each([['9000', 9000], ['0', 0], [' 8080\n', 8080]])('read the port %p, as an environment gives it', (port, expected) => {
    expect(resolveOptions({ port }).place).toMatchObject({ kind: 'tcp', port: expected })
  })

  it.each([
    ['unix:/run/app/app.sock'], ['unix:///run/app/app.sock'], ['unix//run/app/app.sock'], ['unix@/run/app/app.sock'], ['file:///run/app/app.sock'],
  ])('tell the path in %p, as web servers write it', (socket) => {
    expect(() => resolveOptions({ socket })).toThrow(`option socket is '${socket}': give the path alone, '/run/app/app.sock'`)
    expect(() => resolveOptions({ port: socket })).toThrow(`option port is '${socket}': give { socket: '/run/app/app.sock' }`)
  })

  it.each([
    [{ socket: '9000' }, /give \{ port: 9000 \}/],
    [{ socket: 'localhost:9000' }, /give \{ host: 'localhost', port: 9000 \}/],
    [{ socket: '[::1]:9000' }, /give \{ host: '::1', port: 9000 \}/],
    [{ port: '/run/app.sock' }, /give \{ socket: '\/run\/app.sock' \}/],
  ])('tell which option was meant: %p', (options, remedy) => {
    expect(() => resolveOptions(options)).toThrow(remedy)
  })

  it('refuse a path with NUL, which would end it', () => {
    expect(() => resolveOptions({ socket: '/run/\0.sock' })).toThrow(/^serve: option socket is .*NUL/)
  })

  it('allow one place only', () => {
    expect(() => resolveOptions({ socket: '/run/app.sock', port: 9000 })).toThrow(/socket and port/)
    expect(() => resolveOptions({ fd: 3, port: 9000 })).toThrow(/port and fd/)
  })

  it.each([[null], ['/run/app.sock'], [9000]])('have to be an object, not %p', (options: unknown) => {
    expect(() => resolveOptions(options as object)).toThrow(expect.objectContaining({ code: 'ERR_FCGI_OPTION' }))
  })
})
