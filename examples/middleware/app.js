/** An Express app with all four middlewares, in the order in which they belong. */
import express from 'express'
import { serve } from 'express-responder'
import { concurrencyLimit, memoryStats, rateLimit, recovery } from 'express-responder/middleware'

const app = express()
/** Who sends this may see the memory page. Without it nobody may. */
const { STATS_TOKEN } = process.env

app.use(recovery()) // first: one request's failure ends that request alone
app.use(concurrencyLimit()) // lets in what can be answered in time
app.use(rateLimit({ windowMs: 60_000, limit: 600 })) // for each client, in a minute

app.get('/', (req, res) => {
  res.type('text/plain').send(`Hello ${req.ip}, by ${req.protocol}\n`)
})

// Without recovery() this would end the process, and with it all other requests.
app.get('/late', () => {
  setTimeout(() => {
    throw new Error('too late for Express')
  }, 10)
})

app.use('/debug/pprof', memoryStats({
  authorize: (req) => STATS_TOKEN !== undefined && req.headers.authorization === `Bearer ${STATS_TOKEN}`,
}))

app.use(recovery.errors()) // last: answers what has failed

const { SOCKET = '/run/app/app.sock', SOCKET_GROUP } = process.env
const { address } = await serve(app, { socket: SOCKET, group: SOCKET_GROUP })
console.log(`listening on ${address}`)
