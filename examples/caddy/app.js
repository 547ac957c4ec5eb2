/** An Express app on a FastCGI Unix socket, behind a web server. */
import express from 'express'
import { serve } from 'express-responder'

const app = express()

app.get('/', (req, res) => {
  res.type('text/plain').send(`Hello ${req.ip}, by ${req.protocol}\n`)
})

// The unit file names the socket, and the group that the web server's user belongs to.
const { SOCKET = '/run/app/app.sock', SOCKET_GROUP } = process.env
const { address } = await serve(app, { socket: SOCKET, group: SOCKET_GROUP })
console.log(`listening on ${address}`)
