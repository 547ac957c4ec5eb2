/** What every server program of the benchmark does besides answering: listens where it is told, and tells its memory. */
import type { Server } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** What a server program answers to any message from the process that started it. */
export interface MemoryReport {
  /** JavaScript heap and the buffers outside of it after garbage collection, in octets. */
  heapOctets: number
  /** Resident set size after garbage collection, in octets. */
  residentOctets: number
}

/** Listens on the path, or the port of 127.0.0.1, that is the program's argument. */
export function listen(server: Server): void {
  const address = process.argv[2] ?? ''
  if (/^\d+$/.test(address)) server.listen(Number(address), '127.0.0.1')
  else server.listen(address)
  if (process.send) process.on('message', () => process.send?.(memoryReport()))
  process.on('SIGTERM', () => process.exit(0))
  process.on('disconnect', () => process.exit(0))
}

function memoryReport(): MemoryReport {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  collect()
  const { heapUsed, external, rss } = process.memoryUsage()
  return { heapOctets: heapUsed + external, residentOctets: rss }
}
