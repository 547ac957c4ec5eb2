/** Forces more major collections than the log of them holds, and prints what it holds. Small, so that each is quick. */
import { GcLog } from '../../../../middleware/memory/sampling/gc-log.js'
import { collectGarbage } from '../../../../middleware/memory/settle-check.js'

const MORE = 300
const ends: number[] = []
const log = new GcLog({ onPause: ({ time }) => { ends.push(time) } })
while (log.counts().major < MORE) {
  await log.forcing(collectGarbage)
  for (let turn = 0; turn < 4; turn++) await new Promise(setImmediate)
}
process.stdout.write(JSON.stringify({ summary: log.summary(), pauses: log.pauses(), ends }))
