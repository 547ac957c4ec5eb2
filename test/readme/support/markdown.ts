/** Reads the parts of the project's Markdown pages that tests compare with the code. */
import { readFileSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The repository, seen from dist/test/readme/support. */
export const root = fileURLToPath(new URL('../../../..', import.meta.url))

/** A fenced block of code. */
export interface CodeBlock {
  language: string
  /** What follows `name=` after the language; empty where nothing does. */
  name: string
  text: string
}

/** The text of a page, by its path from the repository. */
export function page(path: string): string {
  return readFileSync(`${root}/${path}`, 'utf8')
}

/** The paths of the README and of all pages of docs/. */
export const documentation: readonly string[] = [
  'README.md',
  ...readdirSync(`${root}/docs`, { encoding: 'utf8', recursive: true }).filter((file) => file.endsWith('.md')).map((file) => `docs/${file}`).sort(),
]

/** The blocks of code of a page, in order; those of a list without its indentation. */
export function codeBlocks(markdown: string): CodeBlock[] {
  return [...markdown.matchAll(/^( *)```(\w*)(?: name=(\S+))?\n([\s\S]*?)^\1```$/gm)].map(([, indentation = '', language = '', name = '', text = '']) => ({
    language,
    name,
    text: text.split('\n').map((line) => line.startsWith(indentation) ? line.slice(indentation.length) : line).join('\n'),
  }))
}

/** The page without its blocks of code. */
export function prose(markdown: string): string {
  return markdown.replace(/^( *)```[\s\S]*?^\1```$/gm, '')
}

/** The cells of the first table below a heading, row by row, without its head. */
export function tableBelow(markdown: string, heading: string): string[][] {
  const start = new RegExp(`^#+ ${heading}$`, 'm').exec(markdown)
  if (start === null) throw new Error(`there is no heading "${heading}"`)
  const table = /^\|.*\n\|[-|]+\|\n((?:\|.*\n)*)/m.exec(markdown.slice(start.index))
  if (table?.[1] === undefined) throw new Error(`there is no table below "${heading}"`)
  return table[1]
    .trimEnd()
    .split('\n')
    .map((row) => row.slice(1, -1).split('|').map((cell) => cell.trim()))
}

/** The text in a cell's first pair of backticks; the cell itself where there is none. */
export function codeIn(cell = ''): string {
  return /`([^`]+)`/.exec(cell)?.[1] ?? cell
}

/** Targets of the links of a page. */
export function links(markdown: string): string[] {
  return [...prose(markdown).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target)
}

/** The fragments that lead to the headings of a page, as GitHub makes them. */
export function fragments(markdown: string): string[] {
  return [...prose(markdown).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )
}
