/** The functions that the package exports say what they take, give and throw, with an example that compiles. */
import { execFile } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it } from '@jest/globals'
import * as server from 'express-responder'
import * as middleware from 'express-responder/middleware'
import ts from 'typescript'
import { root } from './support/markdown.js'
import { Project } from './support/project.js'

const COMPILER_TIMEOUT = 120_000
/** express-rate-limit's own. */
const OTHERS = new Set(['ipKeyGenerator'])
/** What every example may use. */
const BEFORE = "import express from 'express'\nconst app = express()\n"

const NAMES = Object.entries({ ...server, ...middleware })
  .filter(([name, value]) => typeof value === 'function' && !String(value).startsWith('class ') && !OTHERS.has(name))
  .map(([name]) => name)

type Documented = ts.FunctionDeclaration | ts.VariableStatement

/** Exported functions of the sources, and constants that may be functions; of overloads the first. */
function declarations(): Map<string, Documented> {
  const found = new Map<string, Documented>()
  for (const room of ['lib', 'middleware']) {
    for (const file of readdirSync(join(root, room), { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts'))) {
      const path = join(root, room, file)
      for (const statement of ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.Latest, true).statements) {
        const name = ts.isVariableStatement(statement) ? statement.declarationList.declarations[0]?.name.getText()
          : ts.isFunctionDeclaration(statement) ? statement.name?.text : undefined
        if (name !== undefined && NAMES.includes(name) && !found.has(name)) found.set(name, statement as Documented)
      }
    }
  }
  return found
}

const text = (comment: Parameters<typeof ts.getTextOfJSDocComment>[0]): string => ts.getTextOfJSDocComment(comment) ?? ''

/** The texts of the tags of one name. */
function tags(declaration: Documented, name: string): string[] {
  return ts.getJSDocTags(declaration).filter(({ tagName }) => tagName.text === name).map(({ comment }) => text(comment))
}

let documented: Map<string, Documented>
beforeAll(() => {
  documented = declarations()
})

function docOf(name: string): Documented {
  const found = documented.get(name)
  if (found === undefined) throw new Error(`${name} is declared nowhere`)
  return found
}

it('there are fourteen of them', () => {
  expect(NAMES).toHaveLength(14)
})

describe.each(NAMES)('%s()', (name) => {
  it('has a description, and an example', () => {
    const declaration = docOf(name)
    const description = ts.getJSDocCommentsAndTags(declaration).filter(ts.isJSDoc).map(({ comment }) => text(comment)).join('')
    expect(description.length).toBeGreaterThan(20)
    expect(tags(declaration, 'example')).toEqual([expect.stringMatching(/^```ts\n[\s\S]*\n```$/)])
  })

  it('says what each parameter is, what it returns, and the code of what it throws', () => {
    const declaration = docOf(name)
    const described = ts.getJSDocTags(declaration).filter(ts.isJSDocParameterTag)
    expect(described.filter(({ comment }) => text(comment).length < 10)).toEqual([])
    const wanted = ts.isFunctionDeclaration(declaration) ? declaration.parameters.map((parameter) => parameter.name.getText()) : ['options']
    expect(described.map((tag) => tag.name.getText())).toEqual(wanted)
    const returnsNothing = ts.isFunctionDeclaration(declaration) && declaration.type?.kind === ts.SyntaxKind.VoidKeyword
    expect(tags(declaration, 'returns').length).toBe(returnsNothing ? 0 : 1)
    expect(tags(declaration, 'throws').filter((thrown) => !/ ERR_[A-Z]+_[A-Z_]+/.test(thrown))).toEqual([])
  })
})

it('the examples compile', async () => {
  const project = await Project.create()
  try {
    for (const name of NAMES) {
      const example = /```ts\n([\s\S]*)\n```/.exec(tags(docOf(name), 'example')[0] ?? '')?.[1] ?? ''
      expect(example).toContain(name)
      await project.write(`${name}.mts`, `${BEFORE}${example}\nexport {}\n`)
    }
    const compilerOptions = { module: 'nodenext', target: 'es2022', strict: true, noEmit: true, skipLibCheck: true, types: ['node'] }
    await project.write('tsconfig.json', JSON.stringify({ compilerOptions, include: ['*.mts'] }))
    const complaints = await promisify(execFile)(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '--project', project.directory]).then(
      () => '',
      (error: unknown) => (typeof error === 'object' && error !== null && 'stdout' in error ? String(error.stdout) : String(error)),
    )
    expect(complaints).toBe('')
  } finally {
    await project.remove()
  }
}, COMPILER_TIMEOUT)
