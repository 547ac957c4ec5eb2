/** Lines of a configuration: comments that are wrapped, blocks that are indented, and what is left out. */

/** A line, several, or nothing at all. */
export type Line = string | false | undefined | readonly Line[]

const WIDTH = 96

/** A comment, wrapped. */
export function comment(text: string): string[] {
  const lines = ['#']
  for (const word of text.split(' ')) {
    const last = lines[lines.length - 1] ?? ''
    if (last.length + word.length < WIDTH) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(`# ${word}`)
  }
  return lines
}

/** The lines within a block. */
export function indented(...lines: readonly Line[]): string[] {
  return flat(lines).map((line) => line === '' ? '' : `  ${line}`)
}

/** The whole text. Of blank lines that follow each other one is left. */
export function print(...lines: readonly Line[]): string {
  return `${flat(lines).filter((line, index, all) => line !== '' || all[index - 1] !== '').join('\n').trim()}\n`
}

function flat(lines: readonly Line[]): string[] {
  return lines.flatMap((line) => {
    if (line === false || line === undefined) return []
    return typeof line === 'string' ? [line] : flat(line)
  })
}
