/** The known word that somebody may have meant. Pure. */
import { editDistance } from '../../shared/edit-distance.js'

/** A word that differs in more than this share of its letters was not meant. */
const MOST = 0.4

/** The nearest of the known words by edit distance (Levenshtein); undefined where none is near. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  let best: string | undefined
  let least = Math.ceil(word.length * MOST) + 1
  for (const candidate of known) {
    const distance = editDistance(word, candidate)
    if (distance >= least) continue
    least = distance
    best = candidate
  }
  return best
}
