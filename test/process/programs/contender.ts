/**
 * Tries to listen on the socket file argv[2] at the first SIGUSR2, says how that went, and exits at the second.
 * argv[3]: `replace` takes the name from whoever has it. argv[4]: the number of a user and group; it gives up root for them once it runs,
 * as they may not be allowed to start a Node that root has installed for itself.
 */
import { createServer } from 'node:net'
import { listenOnSocketFile } from '../../../lib/process/socket-file.js'

const path = process.argv[2] ?? ''
const account = Number(process.argv[4] ?? 0)
if (account !== 0) {
  process.setgroups?.([])
  process.setgid?.(account)
  process.setuid?.(account)
}
const server = createServer((socket) => {
  // A probe connects, too; whoever tests waits for the first one after the contest.
  console.log('connection')
  socket.destroy()
})

async function contend(): Promise<string> {
  try {
    await listenOnSocketFile(server, { path, mode: 0o660, owner: undefined, group: undefined, backlog: 511, replace: process.argv[3] === 'replace' })
    return 'listening'
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error)
  }
}

process.once('SIGUSR2', () => {
  process.once('SIGUSR2', () => process.exit(0))
  void contend().then((result) => {
    console.log(`result ${result}`)
  })
})
// Keeps a loser alive until its test is done with it.
setInterval(() => undefined, 1 << 30)
console.log('ready')
