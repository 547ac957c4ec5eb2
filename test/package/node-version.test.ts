/** A Node.js that is too old is told in one line which one is needed. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { describe, expect, it } from '@jest/globals'
import { checkNodeVersion } from '../../shared/node-version.js'
import { root } from './packed.js'

describe('the version of Node.js', () => {
  it.each(['18.20.8', '20.18.3', '16.0.0'])('%s is refused, with the one that is needed', (version) => {
    expect(() => {
      checkNodeVersion(version, (message) => new RangeError(message))
    }).toThrow(new RangeError(`express-responder needs Node.js 20.19 or later, and this is ${version}`))
  })

  it.each(['20.19.0', '22.12.0', '26.10.0', process.versions.node])('%s is not', (version) => {
    expect(() => {
      checkNodeVersion(version, (message) => new RangeError(message))
    }).not.toThrow()
  })
})

/** A module that changes what `process.versions` says. */
const withVersions = (change: string): string => `Object.defineProperty(process, 'versions', { value: { ...process.versions, ${change} } })`

/** What Node 18 has not, as far as modules are linked with it, and the version that it gives. */
const NODE_18 = `
  import { register } from 'node:module'
  ${withVersions("node: '18.20.8'")}
  delete process.getBuiltinModule
  register('data:text/javascript,' + encodeURIComponent(\`
    export function resolve(specifier, context, next) {
      if (specifier === 'node:inspector/promises') throw new Error('No such built-in module: ' + specifier)
      return next(specifier, context)
    }
  \`))
`

/** What Node prints before it ends, and its exit status. The preload makes it another runtime. */
async function output(preload: string, ...args: string[]): Promise<{ printed: string; code: unknown }> {
  const program = spawn(process.execPath, ['--import', `data:text/javascript,${encodeURIComponent(preload)}`, ...args], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
  let printed = ''
  for (const stream of [program.stdout, program.stderr]) stream.setEncoding('utf8').on('data', (piece: string) => (printed += piece))
  const [code] = await once(program, 'close') as [unknown]
  return { printed: printed.trim(), code }
}

it.each([
  ['express-responder', 'ERR_FCGI_UNSUPPORTED_NODE'],
  ...['middleware', 'concurrency', 'rate-limit', 'recovery', 'memory', 'suite'].map((entry) => [`express-responder/${entry}`, 'ERR_MIDDLEWARE_UNSUPPORTED_NODE']),
])('%s says so before anything of it runs', async (entry = '', code = '') => {
  const { printed } = await output(NODE_18, '--input-type=module', '--eval', `await import('${entry}').catch(({ code, message }) => console.log(code, message))`)
  expect(printed).toMatch(new RegExp(`^${code} express-responder needs Node\\.js 20\\.19 or later, and this is 18\\.20\\.8\\. See \\S+errors\\.md#${code.toLowerCase()}$`))
})

describe('the command, in one line', () => {
  const main = join(root, 'dist/lib/cli/main.js')
  const commands = ['app.js', 'check app.js', 'doctor --socket /nowhere/app.sock', 'config nginx']

  it.each(commands)('%s is refused by Node 18', async (line) => {
    const { printed, code } = await output(NODE_18, main, ...line.split(' '))
    expect(printed).toMatch(/^express-responder: express-responder needs Node\.js 20\.19 or later, and this is 18\.20\.8\. See \S+#err_fcgi_unsupported_node$/)
    expect(code).toBe(1)
  })

  it.each(commands.slice(0, 2))('%s is refused on Bun', async (line) => {
    const { printed, code } = await output(withVersions("bun: '1.4.5'"), main, ...line.split(' '))
    expect(printed).toMatch(/^express-responder: Bun 1\.4\.5 cannot serve FastCGI: .*Run the app with node\. See \S+#err_fcgi_unsupported_node$/)
    expect(code).toBe(1)
  })
})
