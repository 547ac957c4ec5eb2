/** An Express app, and nothing else: the command express-responder runs it. */
import express from 'express'

const app = express()

app.get('/', (req, res) => {
  res.type('text/plain').send(`Hello ${req.ip}, by ${req.protocol}\n`)
})

export default app
