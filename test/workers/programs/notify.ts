/** A service that tells systemd how it is. argv[2]: `once`, or `watchdog` to go on telling that it lives, until the file argv[3] exists. */
import { existsSync } from 'node:fs'
import { createNotifier } from '../../../lib/workers/systemd-notify.js'

const [, , mode, file = ''] = process.argv
process.on('warning', ({ message }) => {
  console.log(`warning ${message}`)
})
const notifier = createNotifier(process.env)
notifier.ready('2 workers')
notifier.reloading()
notifier.status('one\nREADY=0')
notifier.ready()
if (mode === 'watchdog') {
  const keepsRunning = setInterval(() => undefined, 1 << 30)
  console.log(`interval ${String(notifier.watchdog(() => !existsSync(file)))}`)
  process.once('SIGTERM', () => {
    clearInterval(keepsRunning)
    notifier.stopping('ends')
    void notifier.close()
  })
} else {
  notifier.stopping('ends')
  await notifier.close()
  notifier.status('after the end')
}
console.log('told')
