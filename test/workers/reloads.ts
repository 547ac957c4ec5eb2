/** Reloads of the command behind a web server, under a load of GET and POST; counts what was not answered whole. */
import { setTimeout as delay } from 'node:timers/promises'
import type { WebServer } from '../proxies/support/web-server.js'
import { createWorkspace } from '../proxies/support/workspace.js'
import { Load } from '../process/load.js'
import type { Outcome } from '../process/restarts.js'
import { ANSWERING, Command, runCommand } from './command.js'

/** How long the load goes on before the first reload, and between one and the next, in ms. */
const SETTLING = 500

/** Reloads two workers so many times behind `server`. */
export async function reloadBehind(server: WebServer, reloads: number, workers = 2): Promise<Outcome> {
  const workspace = await createWorkspace()
  const command = new Command([ANSWERING, '--socket', workspace.socket, '--mode', '0666', '--workers', String(workers)])
  const times: number[] = []
  try {
    await command.logged('listening')
    const front = await server.start(workspace)
    const load = new Load(front.port)
    try {
      await delay(SETTLING)
      for (let reload = 0; reload < reloads; reload++) {
        const begin = performance.now()
        const { code, stderr } = await runCommand(['reload', '--socket', workspace.socket])
        times.push(Math.round(performance.now() - begin))
        if (code !== 0) throw new Error(`reload: ${stderr}`)
        await delay(SETTLING)
      }
      await load.end()
      const { requests, posts, failures, processes } = load
      return { requests, posts, failures, processes: processes.size, stops: times }
    } finally {
      await load.end()
      await front.stop()
    }
  } finally {
    await command.kill()
    await workspace.remove()
  }
}
