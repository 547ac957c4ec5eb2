/**
 * The app of these measurements: does so many iterations as the query says, and tells which process has answered. Without a number it
 * tells how many take a millisecond of CPU time.
 */
import express from 'express'
import { iterationsPerMillisecond, work } from './work.js'

const BODY = '.'.repeat(2000)

export const app = express()
app.get('/work', (request, response) => {
  response.setHeader('X-Process', process.pid)
  response.type('text/plain')
  const { n } = request.query
  if (n === undefined) response.send(String(iterationsPerMillisecond()))
  else response.setHeader('X-Value', work(Number(n))).send(BODY)
})
