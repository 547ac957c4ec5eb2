/** The program under attack: an app that reads, writes, streams and fails, on a FastCGI socket. */
import type { RequestListener } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { authorize, createServer, filterData } from 'express-responder'

const [, , path = '', fate = 'die'] = process.argv
const errors: Record<string, number> = {}
const uncaught: string[] = []

const app: RequestListener = (req, res) => {
  const url = req.url ?? ''
  if (url === '/innocent') res.end('innocent')
  else if (url === '/throw') throw new Error('by intention')
  else if (url === '/echo') req.pipe(res)
  else if (url === '/slow') void delay(5).then(() => res.end('slow'))
  else if (url === '/never') res.write('never')
  else if (url === '/large') res.end(Buffer.alloc(300_000, 'l'))
  else if (url === '/destroy') res.destroy()
  else if (url === '/half') res.write('half', () => res.destroy())
  else if (url === '/authorize') authorize(res, { REMOTE_USER: 'alice' })
  else if (url === '/filter') (filterData(req) ?? req).pipe(res)
  else if (url === '/pause') req.pause()
  else if (url === '/trailers' && req.method === 'POST') {
    res.setHeader('Trailer', 'X-T')
    res.write('t')
    res.addTrailers({ 'X-T': '1' })
    res.end()
  } else {
    req.on('data', () => undefined)
    req.on('end', () => res.end(`read ${url.slice(0, 20)}`))
  }
}

const server = createServer(app)
server.on('clientError', (error: Error & { code?: string }) => {
  errors[error.code ?? 'none'] = (errors[error.code ?? 'none'] ?? 0) + 1
})
server.on('warning', () => undefined)

if (fate === 'survive') {
  process.on('uncaughtException', (error) => {
    if (error.message !== 'by intention') uncaught.push(String(error.stack))
  })
}

process.on('message', () => {
  globalThis.gc?.()
  const { rss, heapUsed, arrayBuffers } = process.memoryUsage()
  server.getConnections((_error, connections) => {
    process.send?.({ kind: 'report', rss, heapUsed, arrayBuffers, connections, errors, uncaught })
  })
})
process.on('disconnect', () => process.exit(0))

server.listen(path, () => {
  process.send?.({ kind: 'listening' })
})
