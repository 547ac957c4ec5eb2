/** A handler on plain http that throws when its turn in the queue comes, between two that answer. Prints what came of it. */
import { setImmediate as turn } from 'node:timers/promises'
import { concurrencyLimit } from '../../../../middleware/concurrency.js'
import { AppServer } from '../../../support/app-server.js'

const thrown: string[] = []
process.on('uncaughtException', (error) => thrown.push(error.message))
const cap = concurrencyLimit({ limit: process.argv[2] === 'auto' ? { min: 1, max: 1 } : 1, queue: { max: 9, timeout: 600_000 } })
const waiting = async (count: number): Promise<void> => {
  while (cap.waiting < count) await turn()
}

const app = await AppServer.start({ middleware: cap, handler: (request, response) => {
  if (request.url === '/throws') throw new Error('by intention')
  app.enter({ request, response })
} })
app.open('/first')
const [first] = await app.entered(1)
app.open('/throws')
await waiting(1)
const last = app.open('/last')
await waiting(2)
first?.response.end()
const [, second] = await app.entered(2)
second?.response.end('fine')
const { body } = await last.answer
while (cap.active > 0) await turn()
process.stdout.write(JSON.stringify({ body, thrown, waiting: cap.waiting }))
process.exit(0)
