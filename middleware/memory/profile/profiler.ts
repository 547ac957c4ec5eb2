/** What profiles are made with. */
import type { CollectionCounts } from '../sampling/mem-stats.js'
import type { HeapSource } from './heap-sampler.js'
import type { SourceMaps } from './source-maps.js'

/** The samplers and the maps that profiles are made with. */
export interface ProfileTools {
  /** Of the live heap; started. */
  sampler: HeapSource
  /** What memStats() needs to know of the collections. */
  gc: () => CollectionCounts
  /** Where functions are in their author's files. Default: new ones. */
  maps?: SourceMaps
}
