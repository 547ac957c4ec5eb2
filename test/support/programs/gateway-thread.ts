/** A thread with a gateway in front of the FastCGI socket that it is given; tells its port. */
import type { AddressInfo } from 'node:net'
import { parentPort, workerData } from 'node:worker_threads'
import { gateway } from '../../../lib/index.js'

const server = gateway(workerData as string)
server.listen(0, '127.0.0.1', () => { parentPort?.postMessage((server.address() as AddressInfo).port) })
