/**
 * What `npm start` runs: the hello app on a FastCGI Unix socket, as in production, and the gateway in front of it in
 * the place of a web server. PORT and SOCKET in the environment choose other places.
 */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gateway, serve } from 'express-responder'
import { app } from './app.js'

const HOST = '127.0.0.1'
/** How long requests in flight may take once Ctrl-C is pressed, in milliseconds. */
const DRAIN_TIME = 10_000

const directory = process.env.SOCKET === undefined ? mkdtempSync(join(tmpdir(), 'hello-')) : undefined
process.on('exit', () => {
  if (directory !== undefined) rmSync(directory, { recursive: true, force: true })
})

try {
  await start(process.env.SOCKET ?? join(directory ?? '.', 'app.sock'), portFrom(process.env.PORT ?? '8080'))
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exit(1)
}

async function start(socket, port) {
  // The gateway has to be stopped first, so this program hears the signals itself.
  const serving = await serve(app, { socket, stopTimeout: DRAIN_TIME, signals: false })
  const front = gateway(socket)
  try {
    front.listen(port, HOST)
    await once(front, 'listening')
  } catch (error) {
    await serving.stop()
    throw explain(error, port)
  }
  stopOnSignals(async () => {
    setTimeout(() => {
      front.closeAllConnections()
    }, DRAIN_TIME).unref()
    const closed = once(front, 'close')
    front.close()
    await closed
    await serving.stop()
  })
  const address = front.address()
  console.log(welcome(serving.address, typeof address === 'object' && address !== null ? address.port : port))
}

/** The first signal drains and ends with status 0, a second one ends at once. */
function stopOnSignals(stop) {
  let stopping = false
  const onSignal = () => {
    if (stopping) process.exit(1)
    stopping = true
    console.log('Stopping: requests in flight are answered first.')
    stop().then(() => process.exit(0))
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
}

function portFrom(text) {
  const port = Number(text)
  if (/^\d+$/.test(text) && port <= 65535) return port
  throw new Error(`PORT is ${JSON.stringify(text)}, which is no port. Give a number, for example: PORT=8081 npm start`)
}

function explain(error, port) {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  const remedy = 'choose another port, for example: PORT=8081 npm start'
  if (code === 'EADDRINUSE') return new Error(`Port ${String(port)} of ${HOST} is taken. Stop what listens there, or ${remedy}`)
  if (code === 'EACCES') return new Error(`Port ${String(port)} of ${HOST} is not for this user to listen on: ${remedy}`)
  return error
}

function welcome(socket, port) {
  return `The hello app speaks FastCGI on the Unix socket
  ${socket}
and the gateway is in front of it. Open
  http://${HOST}:${String(port)}/

In production nginx takes the gateway's place, and the socket is where nginx may reach it:

  server {
    listen 80;
    location / {
      include fastcgi_params;
      fastcgi_pass unix:/run/app/app.sock;
    }
  }

Ctrl-C stops both.`
}
