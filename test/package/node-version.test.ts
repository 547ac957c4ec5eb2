/** A Node.js that is too old is told in one line which one is needed. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
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

/** What Node 18 has not, as far as modules are linked with it, and the version that it gives. */
const NODE_18 = `
  import { register } from 'node:module'
  Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '18.20.8' } })
  delete process.getBuiltinModule
  register('data:text/javascript,' + encodeURIComponent(\`
    export function resolve(specifier, context, next) {
      if (specifier === 'node:inspector/promises') throw new Error('No such built-in module: ' + specifier)
      return next(specifier, context)
    }
  \`))
`

/** What a program of this text prints before it ends. */
async function output(text: string): Promise<string> {
  const preload = `data:text/javascript,${encodeURIComponent(NODE_18)}`
  const program = spawn(process.execPath, ['--import', preload, '--input-type=module', '--eval', text], { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] })
  let printed = ''
  program.stdout.setEncoding('utf8').on('data', (piece: string) => (printed += piece))
  await once(program, 'close')
  return printed.trim()
}

it.each([
  ['express-responder', 'ERR_FCGI_UNSUPPORTED_NODE'],
  ...['middleware', 'concurrency', 'rate-limit', 'recovery', 'memory', 'suite'].map((entry) => [`express-responder/${entry}`, 'ERR_MIDDLEWARE_UNSUPPORTED_NODE']),
])('%s says so before anything of it runs', async (entry = '', code = '') => {
  const printed = await output(`await import('${entry}').catch(({ code, message }) => console.log(code, message))`)
  expect(printed).toMatch(new RegExp(`^${code} express-responder needs Node\\.js 20\\.19 or later, and this is 18\\.20\\.8\\. See \\S+errors\\.md#${code.toLowerCase()}$`))
})
