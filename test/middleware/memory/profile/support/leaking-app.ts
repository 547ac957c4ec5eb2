/**
 * An Express app that leaks, as a process of its own, with the profiles mounted.
 *
 *   node leaking-app.js <module with the leaking handler> ...
 *
 * As in a real app, its handlers are called by the router, which calls many: V8 never inlines them into it. What the
 * handlers call may be inlined into them, and counts for them. The first line of output is a JSON object with the port.
 */
import { pathToFileURL } from 'node:url'
import express, { type RequestHandler } from 'express'
import type { HeapProfile, HeapSource } from '../../../../../middleware/memory/profile/heap-sampler.js'
import { HeapSampler } from '../../../../../middleware/memory/profile/heap-sampler.js'
import { profileRoutes } from '../../../../../middleware/memory/routes/profiles.js'

/** Tells what V8 itself said. */
class Recording implements HeapSource {
  readonly sampler = new HeapSampler()
  last: HeapProfile | undefined

  async take(): Promise<HeapProfile> {
    this.last = await this.sampler.take()
    return this.last
  }
}

const recording = new Recording()
await recording.sampler.start()
const noCollections = { major: 0, forced: 0, pauseTotalNs: 0, minorPauseTotalNs: 0, pauseNs: [], pauseEnd: [], lastGc: 0 }
const routes = profileRoutes({ sampler: recording, gc: () => noCollections })

const app = express()
app.use(function count(_request, response, next) {
  response.locals['begun'] = performance.now()
  next()
})
app.use(express.json())
app.get('/', function hello(_request, response) { response.send('Hello') })
app.get('/user/:id', function user(request, response) { response.json({ id: request.params.id }) })
for (const path of process.argv.slice(2)) {
  const { handler } = await import(pathToFileURL(path).href) as { handler: RequestHandler }
  app.get(`/${handler.name}`, handler)
}
app.get('/v8-total', function total(_request, response) { response.json(recording.last?.total ?? null) })
app.use('/debug/pprof', function profiles(request, response, next) {
  const path = request.path.slice(1)
  const route = routes.find((candidate) => candidate.path === path && candidate.method === request.method)
  if (route === undefined) next()
  else Promise.resolve(route.handle(request, response)).catch(next)
})

const server = app.listen(0, '127.0.0.1', () => {
  const address = server.address()
  console.log(JSON.stringify({ port: typeof address === 'object' ? address?.port : undefined }))
})
process.once('disconnect', () => process.exit())
