/** The app under test as a program that a web server or spawn-fcgi starts, with its listening socket as descriptor 0. */
import { createServer } from 'express-responder'
import { createApp } from './app.js'
import { connectEvents } from './events.js'

/** Listens on descriptor 0, and leaves with status 0 on SIGTERM once open requests are answered. */
export function run(eventsPath: string): void {
  const server = createServer(createApp(connectEvents(eventsPath)))
  server.listen({ fd: 0 })
  process.once('SIGTERM', () => {
    server.drain()
    server.close(() => {
      process.exit(0)
    })
  })
}
