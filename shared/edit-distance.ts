/** How unlike two words are. Pure. */

/** How many letters have to be put in, taken out or changed to make one of the other, in upper or lower case (Levenshtein's distance). */
export function editDistance(first: string, second: string): number {
  const one = first.toLowerCase()
  const other = second.toLowerCase()
  let row = Array.from({ length: other.length + 1 }, (_, index) => index)
  for (let index = 1; index <= one.length; index++) {
    const next = [index]
    for (let column = 1; column <= other.length; column++) {
      const changed = (row[column - 1] ?? 0) + (one[index - 1] === other[column - 1] ? 0 : 1)
      next.push(Math.min(changed, (row[column] ?? 0) + 1, (next[column - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[other.length] ?? Infinity
}
