/** Reads the call sites more than once, and prints what is in the whole profile and what is among the call sites, by name. */
import { CallSiteTable } from '../../../../../middleware/memory/profile/call-sites.js'
import { HeapSampler } from '../../../../../middleware/memory/profile/heap-sampler.js'

function keepSome(): unknown[] {
  return Array.from({ length: 20_000 }, (_, index) => ({ index, text: [index] }))
}

const sampler = new HeapSampler({ interval: 1024 })
await sampler.start()
const kept = keepSome()
const table = new CallSiteTable(sampler)
await table.sites()
const { stacks } = await sampler.take()
const { sites } = await table.sites()
process.stdout.write(JSON.stringify({
  kept: kept.length,
  profile: [...new Set(stacks.flatMap(({ places }) => places.map(({ name }) => name)))],
  sites: sites.map(({ name }) => name),
}))
