/** The events of a response, and the responses of Express. */
import { describe, expect, it } from '@jest/globals'
import { compare, contract } from './support/compare.js'
import { EXPRESSES, quietApp, tellErrors } from './support/flavours.js'
import { responseState } from './support/states.js'

describe('events of a response', () => {
  contract(
    'states through its life',
    {
      handle: (_req, res, journal) => {
        journal.note('new', responseState(res))
        for (const event of ['prefinish', 'finish', 'close', 'pipe', 'unpipe', 'socket', 'error']) {
          res.on(event, () => {
            journal.note(event, responseState(res))
          })
        }
        res.write('a', () => {
          journal.note('write callback', responseState(res))
        })
        journal.note('written', responseState(res))
        setImmediate(() => {
          res.end('b', () => {
            journal.note('end callback', responseState(res))
          })
          journal.note('ended', responseState(res))
          process.nextTick(() => {
            journal.note('next tick', responseState(res))
          })
        })
      },
      until: ['close'],
    },
    ({ entries }) => {
      const names = entries.map((entry) => entry.replace(/ \{.*/, ''))
      expect(names.slice(0, 5)).toEqual(['new', 'written', 'write callback', 'prefinish', 'ended'])
      expect(new Set(names.slice(5, 8))).toEqual(new Set(['finish', 'end callback', 'next tick']))
      expect(names.slice(8)).toEqual(['close'])
    },
  )
  contract(
    'when they come, against ticks, promises and immediates',
    {
      handle: (_req, res, journal) => {
        for (const event of ['prefinish', 'finish', 'close']) res.on(event, journal.noting(event))
        queueMicrotask(journal.noting('microtask before'))
        process.nextTick(journal.noting('tick before'))
        res.end('hello')
        journal.note('returned')
        queueMicrotask(journal.noting('microtask after'))
        process.nextTick(journal.noting('tick after'))
        setImmediate(journal.noting('immediate'))
      },
      until: ['close', 'immediate'],
    },
    ({ entries }) => {
      expect(entries).toContain('close')
    },
  )
  contract(
    'detached and attached: res.socket and req.socket afterwards',
    {
      handle: (req, res, journal) => {
        const { socket } = req
        res.on('finish', () => {
          journal.note('finish', [res.socket === null, Reflect.get(res, 'connection') === null, req.socket === socket, socket.remoteAddress])
        })
        res.on('close', () => {
          journal.note('close', [res.socket === null, req.socket === socket, socket.remoteAddress, socket.destroyed])
        })
        res.end('x')
      },
      until: ['close'],
    },
    ({ entries }) => {
      expect(entries).toHaveLength(2)
    },
  )
})

describe.each(EXPRESSES)('responses of %s', (_name, factory) => {
  const app = () => {
    const made = quietApp(factory)
    made.get('/send', (_req, res) => {
      res.send('text')
    })
    made.get('/json', (_req, res) => {
      res.status(201).json({ a: '\u00e9' })
    })
    made.get('/buffer', (_req, res) => {
      res.send(Buffer.from('bytes'))
    })
    made.get('/status', (_req, res) => {
      res.sendStatus(404)
    })
    made.get('/redirect', (_req, res) => {
      res.redirect('/elsewhere?a=\u00e9')
    })
    made.get('/cookie', (_req, res) => {
      res.cookie('a', 'b', { httpOnly: true }).cookie('c', { d: 1 }).clearCookie('e').send()
    })
    made.get('/file', (_req, res) => {
      res.sendFile('package.json', { root: process.cwd() })
    })
    made.get('/attachment', (_req, res) => {
      res.attachment('\u00e9.txt').type('txt').send('x')
    })
    made.get('/vary', (req, res) => {
      res.vary('Accept').format({ html: () => res.send('<p>'), json: () => res.json(1), default: () => res.status(406).send(req.path) })
    })
    made.get('/links', (_req, res) => {
      res.links({ next: 'http://n.example/' }).append('Warning', 'x').end()
    })
    made.get('/throw', () => {
      throw new Error('thrown')
    })
    made.get('/late', (_req, res, next) => {
      res.write('begun')
      setImmediate(() => {
        next(new Error('too late'))
      })
    })
    made.get('/locals', (_req, res) => {
      res.locals['a'] = 1
      res.json(res.locals)
    })
    return made
  }
  const paths = ['/send', '/json', '/buffer', '/status', '/redirect', '/cookie', '/attachment', '/vary', '/links', '/locals', '/nowhere', '/file']
  it.each(paths)('GET %s', async (path) => {
    await compare({ app, act: ({ client }) => client.ask({ path }) }, ({ seen }) => {
      expect(seen).toMatchObject({ broken: undefined })
    })
  })
  it.each(paths)('HEAD %s', async (path) => {
    await compare({ app, act: ({ client }) => client.ask({ path, method: 'HEAD' }) }, ({ seen }) => {
      expect(seen).toMatchObject({ body: '', broken: undefined })
    })
  })
  it.each(['/send', '/json', '/file'])('conditional GET %s', async (path) => {
    await compare(
      {
        app,
        act: async ({ client }) => {
          const first = await client.ask({ path })
          const etag = first.headers.find(([name]) => name === 'ETag')?.[1] ?? ''
          return [first, await client.ask({ path, headers: { 'If-None-Match': etag } })]
        },
      },
      ({ seen }) => {
        expect(seen).toMatchObject([{ broken: undefined }, { status: 304, body: '' }])
      },
    )
  })
  it('a range of a file', async () => {
    await compare({ app, act: ({ client }) => client.ask({ path: '/file', headers: { Range: 'bytes=2-5' } }) }, ({ seen }) => {
      expect(seen).toMatchObject({ status: 206 })
    })
  })
  it('an error that is thrown', async () => {
    await compare({ app: () => tellErrors(app()), act: ({ client }) => client.ask({ path: '/throw' }) }, ({ seen }) => {
      expect(seen).toMatchObject({ status: 500, body: 'Error: thrown' })
    })
  })
  it('an error after the response has begun breaks it off', async () => {
    await compare({ app, act: ({ client }) => client.ask({ path: '/late' }) }, ({ seen }) => {
      expect(seen).toMatchObject({ status: 200, body: 'begun', broken: 'ECONNRESET' })
    })
  })
})
