/** The test runners of docs/testing.md, with the blocks of code there, on the packed package. */
import { execFile } from 'node:child_process'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { createWorkspace, root, type Workspace } from '../package/packed.js'
import { codeBlocks, page } from './support/markdown.js'
import { Project } from './support/project.js'

/** Babel reads all of the package, on a machine that may be busy. */
const BABEL_TIMEOUT = 120_000
const JEST = join(root, 'node_modules/jest/bin/jest.js')

const blocks = codeBlocks(page('docs/testing.md')).filter(({ language }) => language === 'js')
const used = new Set<string>()

let workspace: Workspace
beforeAll(async () => {
  workspace = await createWorkspace('express')
  for (const name of ['supertest', '@jest', 'babel-jest', '@babel']) {
    await symlink(join(root, 'node_modules', name), join(workspace.directory, 'node_modules', name))
  }
})
afterAll(() => workspace.remove())

function block(name: string): string {
  const found = blocks.find((candidate) => candidate.name === name)
  if (found === undefined) throw new Error(`docs/testing.md has no block of code with name=${name}`)
  used.add(name)
  return found.text
}

/** A project of its own beside the others, below the workspace's node_modules. */
async function project(name: string, files: Readonly<Record<string, string>>): Promise<string> {
  const directory = join(workspace.directory, name)
  await mkdir(directory)
  for (const [file, text] of Object.entries(files)) await writeFile(join(directory, file), text)
  return directory
}

/** The exit status, and all that was written. */
function runNode(directory: string, args: readonly string[]): Promise<{ status: unknown; output: string }> {
  // What this test runner tells its own programs is not for another one.
  const env = { ...process.env, NODE_TEST_CONTEXT: undefined, JEST_WORKER_ID: undefined, NODE_OPTIONS: undefined }
  return new Promise((resolve) => {
    execFile(process.execPath, args, { cwd: directory, env }, (error, stdout, stderr) => {
      resolve({ status: error === null ? 0 : error.code, output: stdout + stderr })
    })
  })
}

/** The app for CommonJS: the same calls. */
function required(text: string): string {
  return text
    .replace(/^import (.+) from '(.+)'$/gm, 'const $1 = require(\'$2\')')
    .replace('export const app', 'const app')
    .concat('module.exports = { app }\n')
}

it('supertest: tests an app and leaves nothing behind', async () => {
  const project = await Project.create()
  try {
    const program = await project.run('program.js', block('supertest'))
    expect(await program.exited).toBe(0)
  } finally {
    await project.remove()
  }
})

it('node:test: over FastCGI, and late failures are answered', async () => {
  const directory = await project('node-test', {
    'package.json': '{ "type": "module" }',
    'app.js': block('app'),
    'app.test.js': block('node-test'),
  })
  const { status, output } = await runNode(directory, ['--test', '--test-reporter=tap'])
  expect(output).toMatch(/^# pass 2$/m)
  expect({ status, output }).toMatchObject({ status: 0 })
})

it('jest with ES modules', async () => {
  const directory = await project('jest-esm', {
    'package.json': '{ "type": "module", "jest": { "transform": {} } }',
    'app.js': block('app'),
    'app.test.js': block('jest-esm'),
  })
  const { status, output } = await runNode(directory, ['--experimental-vm-modules', JEST, '--detectOpenHandles'])
  expect(output).toMatch(/^Tests: +1 passed, 1 total$/m)
  expect(output).not.toContain('open handle')
  expect(status).toBe(0)
})

it(
  'jest with CommonJS, through Babel',
  async () => {
    const directory = await project('jest-commonjs', {
      'package.json': '{}',
      'jest.config.js': block('jest-commonjs-config'),
      'app.js': required(block('app')),
      'app.test.js': block('jest-commonjs'),
    })
    const { status, output } = await runNode(directory, [JEST, '--cacheDirectory', join(directory, 'cache'), '--detectOpenHandles'])
    expect(output).toMatch(/^Tests: +1 passed, 1 total$/m)
    expect(output).not.toContain('open handle')
    expect(status).toBe(0)
  },
  BABEL_TIMEOUT,
)

it('no block of JavaScript is left out', () => {
  expect(blocks.map(({ name }) => name).filter((name) => !used.has(name))).toEqual([])
})
