/** The smallest app: `Hello World!` for whatever is asked. It knows nothing of FastCGI. */
import express from 'express'

export const app = express()

app.use((_req, res) => {
  const body = 'Hello World!'
  res.type('text/plain').set('Content-Length', String(Buffer.byteLength(body))).send(body)
})
