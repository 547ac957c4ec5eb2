/**
 * A cluster: argv[2] is serve()'s options as JSON, argv[3] the number of workers, argv[4] `none` for sockets that the
 * workers accept on themselves. The primary tells `worker N listening ADDRESS`, `worker N failed CODE`, `worker N ended`;
 * it forks another worker at SIGUSR2, and at SIGTERM ends its workers and then itself. A worker answers with its number.
 */
import cluster from 'node:cluster'
import { serve, type ServeOptions } from 'express-responder'

async function work(): Promise<void> {
  const id = String(cluster.worker?.id)
  try {
    const { address } = await serve((_, response) => {
      response.end(`worker ${id}`)
    }, JSON.parse(process.argv[2] ?? '{}') as ServeOptions)
    process.send?.(`listening ${address}`)
  } catch (error) {
    process.send?.(`failed ${error instanceof Error && 'code' in error ? String(error.code) : ''} ${String(error)}`)
  }
}

function fork(): void {
  const worker = cluster.fork()
  worker.on('message', (text) => {
    console.log(`worker ${String(worker.id)} ${String(text)}`)
  })
  // Node forgets a worker with the later of 'exit' and 'disconnect', and they come in either order.
  const endAfterLast = (): void => {
    if (Object.keys(cluster.workers ?? {}).length === 0) process.exit(0)
  }
  worker.on('disconnect', endAfterLast)
  worker.on('exit', (code) => {
    console.log(`worker ${String(worker.id)} ended ${String(code)}`)
    endAfterLast()
  })
}

if (cluster.isWorker) await work()
else {
  cluster.schedulingPolicy = process.argv[4] === 'none' ? cluster.SCHED_NONE : cluster.SCHED_RR
  for (let count = Number(process.argv[3]); count > 0; count--) fork()
  process.on('SIGUSR2', fork)
  process.on('SIGTERM', () => {
    for (const worker of Object.values(cluster.workers ?? {})) worker?.process.kill('SIGTERM')
  })
  // Without workers nothing else keeps it.
  setInterval(() => undefined, 1 << 30)
  console.log('primary')
}
