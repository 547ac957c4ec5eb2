/** What a request says of itself, over FastCGI as over HTTP. */
import { METHODS, type IncomingMessage } from 'node:http'
import { describe, expect, it } from '@jest/globals'
import { compare, contract, observe, type Observed } from './support/compare.js'
import { EXPRESSES, quietApp } from './support/flavours.js'
import { TRANSPORTS } from './support/transports.js'

const noted = ({ entries }: Observed, label: string): unknown => {
  const entry = entries.find((text) => text.startsWith(`${label} `))
  return entry === undefined ? undefined : (JSON.parse(entry.slice(label.length + 1)) as unknown)
}

/** Names and values in turn as a sorted list of lines: CGI keeps the order of all headers but Content-*. */
function lines(rawHeaders: string[]): string[] {
  const all: string[] = []
  for (let i = 0; i < rawHeaders.length; i += 2) all.push(`${rawHeaders[i] ?? ''}: ${rawHeaders[i + 1] ?? ''}`)
  return all.sort()
}

const sortedEntries = (headers: object): [string, unknown][] => Object.entries(headers).sort(([a], [b]) => (a < b ? -1 : 1))

/** Where the client connected to differs from run to run. */
const HOST = { Host: 'shop.example:8080' }

describe('line', () => {
  const urls = ['/', '/a/b?c=d&e', '/%7Efoo/%2F/b%C3%A9?x=%20y', '//double//slash', '/a/../b/./c', '/?', '/a;b=1?c=/d?e', "/!$&'()*+,;=:@[]"]
  it.each(urls)('url %s', async (path) => {
    await compare(
      {
        app: (journal) => (req, res) => {
          journal.note('url', req.url)
          res.end()
        },
        act: ({ client }) => client.ask({ path, headers: HOST }),
      },
      ({ entries }) => {
        expect(entries).toEqual([`url ${JSON.stringify(path)}`])
      },
    )
  })

  // QUERY is not known to every Node.
  it.each(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'HEAD', 'PROPFIND', 'QUERY', 'M-SEARCH'].filter((method) => METHODS.includes(method)))('method %s', async (method) => {
    await compare(
      {
        app: (journal) => (req, res) => {
          journal.note('method', [req.method, req.httpVersion, req.httpVersionMajor, req.httpVersionMinor])
          res.end()
        },
        act: ({ client }) => client.ask({ method, headers: HOST }),
      },
      ({ entries }) => {
        expect(entries).toEqual([`method ${JSON.stringify([method, '1.1', 1, 1])}`])
      },
    )
  })

  it.each(['OPTIONS'])('the asterisk form of %s', async (method) => {
    await compare(
      {
        app: (journal) => (req, res) => {
          journal.note('url', req.url)
          res.end()
        },
        act: ({ client }) => client.ask({ method, path: '*', headers: HOST }),
      },
      ({ entries }) => {
        expect(entries).toEqual(['url "*"'])
      },
    )
  })
})

describe('headers', () => {
  const headers = [
    ['Host', 'shop.example:8080'],
    ['User-Agent', 'test/1.0'],
    ['Accept', 'text/html'],
    ['Accept', 'text/plain'],
    ['Cookie', 'a=1'],
    ['Cookie', 'b=2'],
    ['X-Forwarded-For', '203.0.113.9, 10.0.0.1'],
    ['X-Request-ID', '77'],
    ['ETag', '"x"'],
    ['DNT', '1'],
    ['Age', '1'],
    ['Age', '2'],
    ['Referer', 'http://a.example/'],
    ['Referer', 'http://b.example/'],
    ['X-Empty', ''],
    ['X-Latin1', 'caf\u00e9'],
    ['X-Tab', 'a\tb'],
    ['Sec-CH-UA-Mobile', '?0'],
    ['Sec-WebSocket-Key', 'abc'],
    ['If-None-Match', '"a"'],
    ['TE', 'trailers'],
    ['constructor', '1'],
    ['Content-Type', 'text/plain; charset=utf-8'],
    ['Content-Length', '3'],
    ['Connection', 'close'],
  ]
  contract(
    'with repeated ones, empty ones, latin1',
    {
      handle: (req, res, journal) => {
        journal.note('headers', sortedEntries(req.headers))
        journal.note('headersDistinct', sortedEntries(req.headersDistinct))
        journal.note('trailers', [req.trailers, req.rawTrailers])
        journal.note('own', [Object.hasOwn(req.headers, 'constructor'), req.headers.accept, req.headers.age])
        res.end()
      },
      act: ({ client }) => client.ask({ method: 'POST', body: 'abc', headers: headers.flat() }),
    },
    (over) => {
      expect(noted(over, 'headers')).toEqual(
        expect.arrayContaining([
          ['accept', 'text/html, text/plain'],
          ['cookie', 'a=1; b=2'],
          ['age', '1'],
          ['x-empty', ''],
          ['x-latin1', 'caf\u00e9'],
        ]),
      )
    },
  )

  it('rawHeaders in their natural case', async () => {
    const natural = headers.filter(([name]) => name !== 'constructor')
    await compare(
      {
        app: (journal) => (req, res) => {
          journal.note('rawHeaders', lines(req.rawHeaders))
          res.end()
        },
        act: ({ client }) => client.ask({ method: 'POST', body: 'abc', headers: natural.flat() }),
      },
      (over) => {
        expect(noted(over, 'rawHeaders')).toEqual(natural.map(([name, value]) => `${name ?? ''}: ${value ?? ''}`).sort())
      },
    )
  })

  it('a body without a length is announced as chunked', async () => {
    await compare(
      {
        app: (journal) => (req, res) => {
          journal.note('framing', [req.headers['content-length'], req.headers['transfer-encoding']])
          req.resume().on('end', () => res.end())
        },
        act: ({ client }) => client.ask({ method: 'POST', body: 'abc', headers: { ...HOST, 'Transfer-Encoding': 'chunked' } }),
      },
      (over) => {
        expect(noted(over, 'framing')).toEqual(['undefined', 'chunked'])
      },
    )
  })

  it.each(['GET', 'HEAD', 'DELETE', 'OPTIONS'])('%s without a body has no framing', async (method) => {
    await compare(
      {
        app: (journal) => (req, res) => {
          journal.note('framing', [req.headers['content-length'], req.headers['transfer-encoding'], req.headers['content-type']])
          res.end()
        },
        act: ({ client }) => client.ask({ method, headers: HOST }),
      },
      (over) => {
        expect(noted(over, 'framing')).toEqual(['undefined', 'undefined', 'undefined'])
      },
    )
  })

  it('headers can be changed by the app, as Node lets it', async () => {
    await compare(
      {
        app: (journal) => (req, res) => {
          req.headers['x-added'] = '1'
          journal.note('added', req.headers['x-added'])
          req.headers = { 'x-only': '2' }
          journal.note('replaced', req.headers)
          req.url = '/elsewhere'
          req.method = 'PUT'
          journal.note('line', [req.url, req.method])
          res.end()
        },
      },
      ({ entries }) => {
        expect(entries).toEqual(['added "1"', 'replaced {"x-only":"2"}', 'line ["/elsewhere","PUT"]'])
      },
    )
  })
})

describe('the other end', () => {
  const faceOf = ({ socket }: IncomingMessage): unknown => ({
    remoteAddress: socket.remoteAddress,
    remoteFamily: socket.remoteFamily,
    remotePort: typeof socket.remotePort,
    localAddress: socket.localAddress,
    localPort: typeof socket.localPort,
    encrypted: Boolean(Reflect.get(socket, 'encrypted')),
    destroyed: socket.destroyed,
    readable: socket.readable,
    writable: socket.writable,
    connecting: socket.connecting,
    readyState: socket.readyState,
    timeout: socket.timeout ?? 0,
    connection: Reflect.get(socket, 'on') === Reflect.get(Reflect.get(socket, 'constructor') as object, 'x'),
  })

  contract(
    'addresses and state of the socket',
    {
      handle: (req, res, journal) => {
        journal.note('socket', faceOf(req))
        journal.note('same', [req.socket === Reflect.get(req, 'connection'), req.socket === res.socket, res.req === req])
        const address = req.socket.address()
        journal.note('address', 'address' in address ? [address.address, address.family, typeof address.port] : address)
        res.end()
      },
    },
    (over) => {
      expect(noted(over, 'socket')).toMatchObject({ remoteAddress: '127.0.0.1', remotePort: 'number', encrypted: false, readyState: 'open' })
    },
  )

  it('ports are those of the client, not of the web server', async () => {
    for (const transport of Object.values(TRANSPORTS)) {
      let clientPort: number | undefined
      const { entries } = await observe(transport, {
        app: (journal) => (req, res) => {
          journal.note('ports', [req.socket.remotePort, req.socket.localPort])
          res.end()
        },
        act: async ({ client }) => {
          const request = client.open()
          request.on('socket', (socket) => socket.on('connect', () => (clientPort = Reflect.get(socket, 'localPort') as number)))
          request.end()
          await new Promise((resolve) => request.on('close', resolve).on('response', (response) => response.resume()))
          expect(typeof clientPort).toBe('number')
          return client.port
        },
      })
      expect(JSON.parse((entries[0] ?? '').slice('ports '.length))).toEqual([clientPort, expect.any(Number)])
    }
  })

  it('methods of sockets that apps call do no harm', async () => {
    await compare(
      {
        app: (journal) => (req, res) => {
          const { socket } = req
          journal.note('chained', [
            socket.setNoDelay(true) === socket,
            socket.setKeepAlive(true, 1000) === socket,
            socket.setTimeout(0) === socket,
            socket.ref() === socket,
            socket.unref() === socket,
          ])
          socket.ref()
          journal.note('listeners', [socket.listenerCount('nothing'), typeof socket.once, typeof socket.off, typeof socket.removeListener])
          res.end('ok')
        },
      },
      ({ entries, seen }) => {
        expect(entries[0]).toBe('chained [true,true,true,true,true]')
        expect(seen).toMatchObject({ body: 'ok' })
      },
    )
  })
})

describe.each(EXPRESSES)('%s', (_name, factory) => {
  const face = (journal: { note: (label: string, detail: unknown) => void }, configure: (app: ReturnType<typeof quietApp>) => void = () => undefined) => {
    const app = quietApp(factory)
    configure(app)
    app.use((req, res) => {
      journal.note('face', {
        ip: req.ip,
        ips: req.ips,
        secure: req.secure,
        protocol: req.protocol,
        hostname: req.hostname,
        originalUrl: req.originalUrl,
        baseUrl: req.baseUrl,
        path: req.path,
        query: req.query,
        xhr: req.xhr,
        fresh: req.fresh,
        subdomains: req.subdomains,
        accepts: req.accepts('html', 'json'),
        is: req.is('json'),
        get: [req.get('host'), req.get('Referrer')],
      })
      res.end()
    })
    return app
  }
  const headers = { Host: 'a.b.shop.example:8080', Accept: 'application/json', Referer: 'http://r.example/', 'X-Requested-With': 'XMLHttpRequest' }

  it('req.ip, secure, protocol, hostname and the rest, with trust proxy left alone', async () => {
    await compare(
      { app: face, act: ({ client }) => client.ask({ path: '/p/q?a=1&b[]=2', headers }) },
      (over) => {
        expect(noted(over, 'face')).toMatchObject({ ip: '127.0.0.1', secure: false, protocol: 'http', hostname: 'a.b.shop.example', xhr: true, path: '/p/q' })
      },
    )
  })

  it('with trust proxy, and the server told of a proxy in front, forwarded headers are believed as over HTTP', async () => {
    const forwarded = { ...headers, 'X-Forwarded-For': '203.0.113.9, 127.0.0.1', 'X-Forwarded-Proto': 'https', 'X-Forwarded-Host': 'front.example' }
    await compare(
      {
        app: (journal) => face(journal, (app) => app.set('trust proxy', 'loopback')),
        act: ({ client }) => client.ask({ headers: forwarded }),
        options: { server: { forwardedHeaders: 'trust' } },
      },
      (over) => {
        expect(noted(over, 'face')).toMatchObject({ ip: '203.0.113.9', secure: true, protocol: 'https', hostname: 'front.example' })
      },
    )
  })

  it.each([
    ['HTTPS=on', { HTTPS: 'on' }, true],
    ['HTTPS=1', { HTTPS: '1' }, true],
    ['REQUEST_SCHEME=https', { REQUEST_SCHEME: 'https' }, true],
    ['HTTPS=off', { HTTPS: 'off' }, false],
    ['HTTPS empty', { HTTPS: '' }, false],
  ])('req.secure from the web server: %s', async (_what, params, secure) => {
    const { entries } = await observe(TRANSPORTS.fastcgi, { app: face, options: { gateway: { params } } })
    expect(JSON.parse((entries[0] ?? '').slice('face '.length))).toMatchObject({ secure, protocol: secure ? 'https' : 'http' })
  })
})
