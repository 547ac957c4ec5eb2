/** An Express app that answers as answering.ts does, and leaks LEAK megabytes a minute, whether it has requests or not. */
import { once } from 'node:events'
import express, { type Request, type Response } from 'express'

const bytesPerMinute = Number(process.env['LEAK']) * 1024 ** 2
const INTERVAL = 100
const BYTES_OF_A_NUMBER = 8
const leaked: number[][] = []

setInterval(() => {
  leaked.push(Array.from({ length: bytesPerMinute / 60_000 * INTERVAL / BYTES_OF_A_NUMBER }, () => Math.random()))
}, INTERVAL).unref()

export const app = express()
app.use(async (request: Request, response: Response) => {
  let length = 0
  request.on('data', (chunk: Buffer) => (length += chunk.length))
  if (request.method === 'POST') await once(request, 'end')
  response.set({ 'Content-Type': 'text/plain', 'X-Process': String(process.pid) }).end(`${request.method} ${String(length)} ${'.'.repeat(2000)}`)
})
