/** Listens for the signal at which logs are opened anew, and tells its parent. */
import { reopenOnSignal } from '../../../lib/workers/reopen-signal.js'

const forget = reopenOnSignal(() => { process.send?.('reopened') })
process.on('message', (message) => {
  if (message === 'forget') {
    forget()
    process.send?.('forgot')
  } else setTimeout(() => { process.disconnect() }, 50)
})
process.send?.('listens')
