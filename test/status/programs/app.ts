/** An app with all four middlewares, for a pool of workers. */
import express from 'express'
import { concurrencyLimit, memoryStats, rateLimit, recovery } from 'express-responder/middleware'

const app = express()
app.use(recovery({ logger: { error: () => undefined } }))
app.use('/memory', memoryStats({ profiles: false, authorize: () => true }))
app.use(concurrencyLimit({ limit: 5 }))
app.use(rateLimit({ windowMs: 60_000, limit: 1_000_000, trustedProxies: 0 }))
app.get('/', (_request, response) => { response.send(String(process.pid)) })
app.get('/fails', () => { throw new Error('as planned') })
app.use(recovery.errors())

export default app
