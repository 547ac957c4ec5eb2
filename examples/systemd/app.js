/** An Express app on the socket that systemd has made: it is there before the app, and while the app restarts. */
import express from 'express'
import { serve } from 'express-responder'

const app = express()

app.get('/', (req, res) => {
  res.type('text/plain').send(`Hello ${req.ip}, by ${req.protocol}\n`)
})

await serve(app)
