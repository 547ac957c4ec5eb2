/** Modules that people give the command by mistake: each is refused in one line, which says what was found and what to do. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { start } from '../process/support.js'
import { runCommand } from '../workers/command.js'

const LOADS = fileURLToPath(new URL('programs/loads.js', import.meta.url))
const MODULES = fileURLToPath(new URL('../../../node_modules', import.meta.url))
const [MAJOR = 0, MINOR = 0] = process.versions.node.split('.').map(Number)
const STRIPS_TYPES = MAJOR > 22 || (MAJOR === 22 && MINOR >= 18)
const APP = 'require(\'express\')().get(\'/\', (request, response) => { response.send(\'hi\') })'
const ES_APP = 'import express from \'express\'\nconst app = express().get(\'/\', (request, response) => { response.send(\'hi\') })\n'

let directory: string

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'er-modules-'))
  symlinkSync(MODULES, join(directory, 'node_modules'))
})
afterAll(() => {
  rmSync(directory, { recursive: true })
})

function write(name: string, text: string): string {
  const path = join(directory, name)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
  return path
}

/** Exit status and what the command itself says: Node's warnings, and the stack of an error that ends a worker, stand before it. */
async function check(module: string, ...options: string[]): Promise<{ code: number | null, stdout: string, line: string, lines: number }> {
  const { code, stdout, stderr } = await runCommand(['check', module, '--port', '0', ...options])
  const begin = stderr.indexOf('express-responder: ')
  const said = begin === -1 ? '' : stderr.slice(begin).trimEnd()
  return { code, stdout, line: said, lines: said.split('\n').length }
}

const WRONG: readonly (readonly [what: string, file: string, text: string, message: string, remedy: string])[] = [
  ['a class', 'class.cjs', 'module.exports = class App { constructor(a, b) {} }', 'it exports the class App', 'what the class makes'],
  ['an express.Router', 'router.cjs', 'module.exports = require(\'express\').Router()', 'it exports an express.Router', 'express().use(router)'],
  ['express itself', 'express.cjs', 'module.exports = require(\'express\')', 'it exports express itself', 'Export what express() returns'],
  ['an http.Server that listens', 'server.mjs', 'import http from \'node:http\'\nconst server = http.createServer().listen(0)\nawait new Promise((resolve) => server.on(\'listening\', resolve))\nexport default server', 'an http.Server that listens', 'Export the app that it was made with'],
  ['routes', 'routes.cjs', 'module.exports = { index(a, b) {}, show(a, b) {} }', 'an object with index, show', 'module.exports = app'],
  ['nothing, in CommonJS', 'listens.cjs', `const app = ${APP}; app.listen(0)`, 'it exports nothing', 'module.exports = app'],
  ['nothing, in an ES module', 'listens.mjs', `${ES_APP}app.listen(0)`, 'it exports nothing', 'Write export default app'],
  ['a function that makes no app', 'makes.cjs', 'module.exports = function make() { return 5 }', 'its function \'make\' returned 5', 'module.exports = app'],
  ['a promise of something else', 'gives.cjs', 'module.exports = Promise.resolve(\'app\')', 'the promise that it exports gave a string', 'module.exports = app'],
  ['a promise that rejects', 'rejects.cjs', 'module.exports = Promise.reject(new Error(\'no database\'))', 'no database (DIRECTORY/rejects.cjs:1:33)', 'Mend the app'],
  ['a function whose promise rejects', 'making.cjs', '\nmodule.exports = async () => { throw new Error(\'no\\ndatabase\') }', 'no database (DIRECTORY/making.cjs:2:38)', 'Mend the app'],
  ['CommonJS that requires an ES module with await', 'requires.cjs', 'require(\'./awaits.mjs\')', 'top-level await', 'load it by await import()'],
  ['a syntax error', 'syntax.cjs', 'const app = (\napp.get(\'/\'', '(DIRECTORY/syntax.cjs:2)', 'Mend the app'],
  ['a syntax error in an ES module', 'syntax.mjs', 'const app = = 1', 'Unexpected token \'=\'', 'Run node DIRECTORY/syntax.mjs to see where'],
  ['import in CommonJS', 'import.cjs', ES_APP, 'Cannot use import statement outside a module', '"type": "module"'],
  ['require in an ES module', 'require.mjs', `export default ${APP}`, 'require is not defined in ES module scope', '.cjs'],
  ['a missing dependency', 'missing.cjs', 'require(\'no-such-thing/sub\')', 'required by DIRECTORY/missing.cjs', 'npm install no-such-thing.'],
  ['a missing dependency of an ES module', 'missing.mjs', 'import \'@no/such-thing\'', 'imported from DIRECTORY/missing.mjs', 'npm install @no/such-thing.'],
  ['a missing file', 'absent.mjs', 'import \'./built/app.js\'', 'DIRECTORY/built/app.js', 'build the app first'],
]

describe('a module with', () => {
  const messages = new Map<string, string>()

  beforeAll(async () => {
    write('awaits.mjs', `${ES_APP}await new Promise((resolve) => setTimeout(resolve, 1))\nexport default app`)
    const child = start(process.execPath, [LOADS, ...WRONG.map(([, file, text]) => write(file, text))])
    await child.ended
    for (const line of child.lines) {
      const { file, message } = JSON.parse(line) as { file: string, message: string }
      messages.set(basename(file), message)
    }
  })

  it.each(WRONG)('%s is refused in one line, with a remedy', (_what, file, _text, message, remedy) => {
    const said = messages.get(file)
    expect(said).toContain(message.replaceAll('DIRECTORY', directory))
    expect(said).toContain(remedy.replaceAll('DIRECTORY', directory))
    expect(said).not.toContain('\n')
  })
})

describe('check refuses a module with', () => {
  it.each([
    ['a class', 'class.cjs', 'module.exports = class App { constructor(a, b) {} }', 'it exports the class App', 'what the class makes'],
    ['an error in a timer while it loads', 'timer.cjs', 'setTimeout(() => { throw new Error(\'too late\') }, 1)\nmodule.exports = () => new Promise(() => {})', 'too late (DIRECTORY/timer.cjs:1:26)', 'Mend the app'],
    ['an error while the app answers', 'answers.cjs', 'module.exports = (request, response) => { throw new Error(\'not this one\') }', 'the app failed at the request that a new worker is tried with: not this one', 'Mend the app'],
    ['an end of the process', 'ends.cjs', 'process.exit(0)', 'ended with status 0 before it had answered', 'process.exit()'],
  ])('%s, in one line', async (_what, file, text, message, remedy) => {
    const { code, line, lines } = await check(write(file, text))
    expect(line).toContain(message.replaceAll('DIRECTORY', directory))
    expect(line).toContain(remedy.replaceAll('DIRECTORY', directory))
    expect(line).toMatch(/See \S+#err_fcgi_(?:app|boot)$/)
    expect(lines).toBe(1)
    expect(code).toBe(1)
  })

  it('what never comes, when boot-timeout is over', async () => {
    const cases = [
      ['never.mjs', 'await new Promise(() => {})', 'never.mjs is still being loaded'],
      ['pending.cjs', 'module.exports = () => new Promise(() => {})', 'is not settled'],
      ['silent.cjs', 'module.exports = (request, response) => {}', 'the app has not answered GET /, '],
    ] as const
    await Promise.all(cases.map(async ([file, text, message]) => {
      const { code, line, lines } = await check(write(file, text), '--boot-timeout', '5s')
      expect(line).toContain('within 5000 ms (boot-timeout)')
      expect(line).toContain(message)
      expect([code, lines]).toEqual([1, 1])
    }))
  })

  it.each([
    ['gone.js', {}, 'there is no module'],
    ['empty', { 'empty/readme.txt': '' }, 'is a directory without package.json and index.js'],
    ['stale', { 'stale/package.json': '{"main":"gone.js"}' }, 'has "main": "gone.js", and there is no such file'],
    ['broken', { 'broken/package.json': '{' }, 'package.json cannot be read (it is no JSON)'],
    ['strange.wat', { 'strange.wat': '' }, '.js, .mjs, .cjs'],
  ])('no module at %s', async (module, files, message) => {
    for (const [name, text] of Object.entries<string>(files)) write(name, text)
    const { code, line, lines } = await check(join(directory, module))
    expect(line).toContain(message)
    expect([code, lines]).toEqual([1, 1])
  })
})

it('a command that is written wrongly is known from a module', async () => {
  expect(await runCommand(['chekc'])).toMatchObject({ code: 1, stderr: expect.stringMatching(/no command 'chekc'\. Did you mean check\? See \S+\n$/) })
  expect(await runCommand(['application'])).toMatchObject({ code: 1, stderr: expect.stringContaining('there is no module \'application\'') })
})

describe('check takes', () => {
  it.each([
    ['a promise of an app', 'promise.cjs', `module.exports = Promise.resolve(${APP})`],
    ['an ES module with top-level await', 'top.mjs', `${ES_APP}await new Promise((resolve) => setTimeout(resolve, 1))\nexport default app`],
    ['a name with spaces and quotes', 'of a folder/it\'s.cjs', `module.exports = ${APP}`],
  ])('%s', async (_what, file, text) => {
    const path = write(file, text)
    expect(await check(path)).toMatchObject({ code: 0, stdout: `${path} exports an app, and it answers GET /. The options are right.`, line: '' })
  })

  it('a directory whose package.json has "main"', async () => {
    write('package/package.json', '{"main":"lib/server.cjs"}')
    const path = write('package/lib/server.cjs', `module.exports = ${APP}`)
    expect(await check(join(directory, 'package'))).toMatchObject({ code: 0, stdout: expect.stringContaining(`${path} exports an app`) })
  })

  it('an app that listens on a port of its own, which is in use: it may be running', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    const { port } = other.address() as AddressInfo
    const path = write('port.cjs', `const app = ${APP}\nconst server = app.listen(${String(port)}, () => { console.log(typeof server.address().port) })\nmodule.exports = app`)
    try {
      expect(await check(path)).toMatchObject({ code: 0, line: '' })
    } finally {
      other.close()
    }
  })

  it('TypeScript where Node.js removes types, and says in one line where it does not', async () => {
    const path = write('typed.ts', `${ES_APP}const answer: number = 42\nexport default app\n`)
    const { code, line, lines } = await check(path)
    expect(lines).toBe(1)
    if (STRIPS_TYPES) expect({ code, line }).toEqual({ code: 0, line: '' })
    else {
      expect(line).toContain(`Node.js ${process.version} cannot load ${path}: name the JavaScript that it is compiled to, or take Node.js 22.18 or later`)
      expect(code).toBe(1)
    }
  })
})
