/** What the pages show of web servers' configuration stands in the examples, which are tested with the real servers. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from '@jest/globals'
import { codeBlocks, documentation, page, root } from './support/markdown.js'

/** Where the lines of a block of a language must stand: directories of examples/. */
const EXAMPLES: Readonly<Record<string, readonly string[]>> = {
  nginx: ['nginx'],
  apache: ['apache', 'mod_fcgid'],
  lighttpd: ['lighttpd'],
  caddy: ['caddy'],
  haproxy: ['haproxy'],
  h2o: ['h2o'],
  ini: ['nginx', 'systemd', 'systemd/command'],
  dockerfile: ['docker', 'kubernetes'],
  yaml: ['docker', 'kubernetes'],
}
/** Lines for a site with another proxy in front, and Parca's configuration: in no example. */
const OTHERS = new Set(['docs/migrating.md', 'docs/middleware/memory-profiles.md'])

const linesOf = (text: string): string[] => text.split('\n').map((line) => line.trim()).filter((line) => line !== '')

const shown = documentation
  .filter((path) => !OTHERS.has(path))
  .flatMap((path) => codeBlocks(page(path)).filter(({ language }) => Object.hasOwn(EXAMPLES, language)).map((block) => ({ path, ...block })))

it('shows every web server, and what runs an app', () => {
  expect([...new Set(shown.map(({ language }) => language))].sort()).toEqual(Object.keys(EXAMPLES).sort())
})

it.each(Object.keys(EXAMPLES))('shows no line of %s that no example has', (language) => {
  const directories = EXAMPLES[language] ?? []
  const files = directories.flatMap((name) =>
    readdirSync(join(root, 'examples', name), { withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => `examples/${name}/${entry.name}`))
  const known = new Set(files.flatMap((file) => linesOf(page(file))))
  const wrong = shown.filter((block) => block.language === language).flatMap(({ path, text }) => linesOf(text).filter((line) => !known.has(line)).map((line) => `${path}: ${line}`))
  expect(wrong).toEqual([])
})

it.each(['README.md', 'docs/deploy/README.md'])('%s has a whole server block of nginx, of the smallest example', (path) => {
  const lines = codeBlocks(page(path)).filter(({ language }) => language === 'nginx').flatMap(({ text }) => linesOf(text))
  expect(lines.length).toBeGreaterThan(5)
  const example = linesOf(page('examples/nginx/minimal.conf'))
  expect(lines.filter((line) => !example.includes(line))).toEqual([])
})
