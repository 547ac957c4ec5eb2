/** Writes so many lines to a log: `writes-lines.js <target> <name> <count>`; with the name `exit` it ends without waiting for them. */
import { LogWriter } from '../../../lib/workers/log-writer.js'

const [, , target = '-', name = '', count = '0'] = process.argv
const writer = new LogWriter(target === '-' ? 1 : target, 'accessLog')
for (let index = 0; index < Number(count); index++) {
  writer.write(`${name} ${String(index)} ${'x'.repeat(200)}`)
  if (name !== 'exit' && index % 100 === 0) await new Promise(setImmediate)
}
if (name === 'exit') process.exit()
await writer.close()
