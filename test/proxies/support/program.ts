/** The app under test as a program that a web server or spawn-fcgi starts, with its listening socket as descriptor 0. */
import { serve } from 'express-responder'
import { createApp } from './app.js'
import { connectEvents } from './events.js'

/** Serves on descriptor 0, telling whoever listens at `eventsPath` what happens. */
export async function run(eventsPath: string): Promise<void> {
  const events = connectEvents(eventsPath)
  events.report({ id: 'program', event: 'started', detail: { pid: process.pid } })
  await serve(createApp(events))
}
