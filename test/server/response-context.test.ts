/** What an app hears of its response, it hears in the context of that request, also among others on one connection. */
import { expect, it } from '@jest/globals'
import { AsyncLocalStorage } from 'node:async_hooks'
import { nginxParams } from '../support/nginx-params.js'
import { encodeRequest } from '../support/fastcgi-client.js'
import { start } from './support/started.js'

/** More than the kernel takes at once, so that ends of responses have to wait for each other. */
const LARGE = Buffer.alloc(4 * 1024 * 1024)

it('finish and write callbacks of multiplexed responses run in the AsyncLocalStorage context of their own request', async () => {
  const storage = new AsyncLocalStorage<string>()
  const { connect, journal } = await start((notes) => (req, res) => {
    const url = req.url ?? ''
    storage.run(url, () => {
      res.on('finish', () => {
        notes.note(`finish ${url}`, storage.getStore())
      })
      void notes.until('go').then(() => {
        res.write(LARGE, () => {
          notes.note(`written ${url}`, storage.getStore())
        })
        notes.note(`wrote ${url}`)
        void notes.until('end').then(() => res.end('end'))
      })
    })
  })
  const client = await connect()
  client.socket.pause()
  for (const id of [1, 2]) client.expect(id)
  await client.send(...[1, 2].map((id) => encodeRequest({ requestId: id, params: nginxParams({ url: `/${String(id)}` }) })))
  journal.note('go')
  for (const id of [1, 2]) await journal.until(`wrote /${String(id)}`)
  journal.note('end')
  client.socket.resume()
  await Promise.all([client.response(1), client.response(2)])
  for (const id of [1, 2]) await journal.until(`finish /${String(id)}`)
  const contexts = journal.entries.filter((entry) => /^(?:finish|written) /.test(entry))
  expect(contexts.sort()).toEqual(['finish /1 "/1"', 'finish /2 "/2"', 'written /1 "/1"', 'written /2 "/2"'])
})
