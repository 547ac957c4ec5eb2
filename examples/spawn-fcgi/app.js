/** An Express app on a socket that it inherits as descriptor 0, from whoever starts it. */
import express from 'express'
import { serve } from 'express-responder'

const app = express()

app.get('/', (req, res) => {
  res.type('text/plain').send(`Hello ${req.ip}, by ${req.protocol}\n`)
})

// On SIGTERM it answers what it was asked, and ends with status 0.
await serve(app)
