/** The pages lead to what is there: links, headings, npm scripts, files of lib/, internals of Node. */
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { describe, expect, it } from '@jest/globals'
import { documentation, fragments, links, page, root, tableBelow } from './support/markdown.js'

const PAGES = [
  ...documentation,
  'ARCHITECTURE.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'CHANGELOG.md',
  'bench/README.md',
  'test/express-suites/README.md',
  ...readdirSync(join(root, 'examples'), { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('README.md')).map((file) => `examples/${file}`),
]
/** npm's own commands, which are no scripts. */
const COMMANDS = new Set(['install', 'publish'])

const { scripts } = JSON.parse(page('package.json')) as { scripts: Record<string, string> }

describe.each(PAGES)('%s', (path) => {
  const text = page(path)

  it('links to files and headings that there are', () => {
    const local = links(text).filter((target) => !/^[a-z]+:/.test(target))
    const broken = local.filter((target) => {
      const [file = '', fragment] = target.split('#')
      const found = file === '' ? path : relative(root, join(root, dirname(path), file))
      if (!existsSync(join(root, found))) return true
      return fragment !== undefined && !fragments(page(found)).includes(fragment)
    })
    expect(broken).toEqual([])
  })

  it('names npm scripts that there are', () => {
    const named = [...text.matchAll(/(?<=`|&& |^)npm (?:run )?([a-z][a-z:-]*)/gm)].map(([, script = '']) => script)
    expect(named.filter((script) => !COMMANDS.has(script) && scripts[script] === undefined)).toEqual([])
  })
})

/** Files of a table's rows: the room in the first cell, its files in the second, each with what it does. */
function filesIn(markdown: string): string[] {
  const rooms = [...markdown.matchAll(/^\| `([\w/-]+\/)`[^|]*\|([^|]*)\|/gm)]
  return rooms.flatMap(([, room = '', files = '']) => (files.match(/(?<=(?:^| ·) `)[\w./-]+\.ts(?=` \S)/g) ?? []).map((file) => room + file))
}

describe('ARCHITECTURE.md', () => {
  const architecture = page('ARCHITECTURE.md')

  it.each(['lib', 'middleware', 'shared'])('has every file of %s, and no other', (room) => {
    const files = readdirSync(join(root, room), { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
    const listed = filesIn(architecture).filter((file) => file.startsWith(`${room}/`))
    expect(listed.sort()).toEqual(files.map((file) => `${room}/${file}`).sort())
  })

  it('has at most 120 lines', () => {
    expect(architecture.trimEnd().split('\n').length).toBeLessThanOrEqual(120)
  })
})

describe('the pages of docs/', () => {
  it('are all in its table of contents', () => {
    const listed = links(page('docs/README.md')).map((target) => join('docs', target.replace(/#.*/, '')))
    expect(documentation.filter((path) => path.startsWith('docs/') && path !== 'docs/README.md' && !listed.includes(path))).toEqual([])
  })

  it('have pictures of at most 150 kB, all of them shown', () => {
    const shown = documentation.flatMap((path) => links(page(path)).map((target) => join(dirname(path), target)))
    const pictures = readdirSync(join(root, 'docs/images')).map((file) => `docs/images/${file}`)
    expect(pictures.filter((path) => !shown.includes(path) || statSync(join(root, path)).size > 150_000)).toEqual([])
  })

  it('have every internal of Node, and no other', () => {
    const internals = page('docs/internals.md')
    const source = readFileSync(join(root, 'lib/http/node-internals.ts'), 'utf8')
    const bodies = [...source.matchAll(/^export interface (?:Response|Request)Internals \{\n([\s\S]*?)^\}/gm)].map(([, body = '']) => body)
    const names = bodies.flatMap((body) => [...body.matchAll(/^ {2}(?:readonly )?(\w+)[(:]/gm)].map(([, name = '']) => name))
    expect(bodies).toHaveLength(2)
    expect(names.filter((name) => !internals.includes(name))).toEqual([])
    const listed = tableBelow(internals, 'Node\'s internals').flatMap(([cell = '']) => cell.match(/\b_?\w+(?=\]?`)/g) ?? [])
    expect(listed.length).toBeGreaterThan(10)
    expect(listed.filter((name) => !source.includes(name))).toEqual([])
  })

  it('have at most 300 lines, and the README 200', () => {
    const lengths = documentation.map((path) => [path, page(path).trimEnd().split('\n').length] as const)
    expect(lengths.filter(([path, lines]) => lines > (path === 'README.md' ? 200 : 300))).toEqual([])
  })
})
