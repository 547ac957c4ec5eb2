/**
 * The memory endpoint on a carrier, as a process of its own: its heap is an app's, not a test runner's of many files.
 * Arguments: the carrier, and the endpoint's options as JSON. Sends its port when it listens.
 */
import type { MemoryStatsOptions } from '../../../../middleware/memory.js'
import { MemoryServer, type Carrier } from '../memory-server.js'

const [carrier, options = '{}'] = process.argv.slice(2)
const server = await MemoryServer.startWith(carrier as Carrier, JSON.parse(options) as MemoryStatsOptions)
process.send?.({ port: server.port })
process.once('disconnect', () => process.exit())
