// Writes the tables of options in docs/reference/ from the docstrings of the options, between markers such as
// `<!-- options: ServeOptions -->` and `<!-- options: end -->`. `<!-- options: lib/Limits, limits. -->` is the one of lib/, and puts
// `limits.` before each name.
// `--check` writes nothing, and ends with status 1 where a page says something else than the docstrings.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const PAGES = 'docs/reference'
const TABLE = /^<!-- options: ([\w/]+)(?:, (\S+))? -->\n[\s\S]*?^<!-- options: end -->$/gm

/** The exported interfaces of the sources, by name alone and by room and name. */
function interfaces() {
  const found = new Map()
  for (const room of ['lib', 'middleware']) {
    for (const file of readdirSync(join(ROOT, room), { recursive: true, encoding: 'utf8' })) {
      if (!file.endsWith('.ts')) continue
      const path = join(ROOT, room, file)
      const source = ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.Latest, true)
      for (const statement of source.statements) {
        if (!ts.isInterfaceDeclaration(statement) || !isExported(statement)) continue
        for (const name of [statement.name.text, `${room}/${statement.name.text}`]) found.set(name, [...found.get(name) ?? [], statement])
      }
    }
  }
  return found
}

function isExported(statement) {
  return statement.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) ?? false
}

/** A comment of a docstring in one line, fit for a cell. */
function cell(comment) {
  return (ts.getTextOfJSDocComment(comment) ?? '').replace(/\s+/g, ' ').trim().replaceAll('|', '\\|')
}

function row(owner, member, prefix) {
  const name = `${prefix}${member.name.getText()}`
  const doc = ts.getJSDocCommentsAndTags(member).filter(ts.isJSDoc).at(-1)
  const text = cell(doc?.comment)
  const given = doc?.tags?.find(({ tagName }) => tagName.text === 'defaultValue')
  if (text === '') throw new Error(`${owner}.${name} has no docstring`)
  if (given === undefined && member.questionToken !== undefined) throw new Error(`${owner}.${name} has no @defaultValue in its docstring`)
  return `| \`${name}\` | ${given === undefined ? 'required' : cell(given.comment)} | ${text} |`
}

function table(known, owner, prefix = '') {
  const declarations = known.get(owner) ?? []
  if (declarations.length !== 1) throw new Error(`${String(declarations.length)} interfaces are called ${owner}: there must be one`)
  const rows = declarations[0].members.map((member) => row(owner, member, prefix))
  return ['| Option | Default | What it does |', '|---|---|---|', ...rows].join('\n')
}

const known = interfaces()
const different = []
for (const file of readdirSync(join(ROOT, PAGES))) {
  const path = join(ROOT, PAGES, file)
  const before = readFileSync(path, 'utf8')
  const after = before.replace(TABLE, (whole, owner, prefix) => `${whole.split('\n', 1)[0]}\n${table(known, owner, prefix)}\n<!-- options: end -->`)
  if (after === before) continue
  different.push(`${PAGES}/${file}`)
  if (!process.argv.includes('--check')) writeFileSync(path, after)
}
if (process.argv.includes('--check') && different.length > 0) {
  process.stderr.write(`${different.join(', ')}: not what the docstrings say. Run: npm run docs:options\n`)
  process.exitCode = 1
}
