/** The app, which one of two workers loads later: while the file of the variable BENCH_GATE is there, worker 1 waits. */
import { existsSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'

const POLL_MS = 20
const gate = process.env['BENCH_GATE'] ?? ''
if (process.env['EXPRESS_RESPONDER_WORKER'] === '1') while (existsSync(gate)) await delay(POLL_MS)

export const { app } = await import('./app.js')
