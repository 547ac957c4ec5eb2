/** An Express app on a FastCGI Unix socket that it shares with the nginx of its pod. */
import express from 'express'
import { serve } from 'express-responder'

const app = express()

// What the readiness probe asks, by way of nginx.
app.get('/healthz', (req, res) => {
  res.type('text/plain').send('ok\n')
})

app.get('/', (req, res) => {
  res.type('text/plain').send(`Hello ${req.ip}, by ${req.protocol}\n`)
})

const { SOCKET = '/run/app/app.sock', SOCKET_GROUP } = process.env
const { address } = await serve(app, { socket: SOCKET, group: SOCKET_GROUP })
console.log(`listening on ${address}`)
