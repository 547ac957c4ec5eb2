/** recovery() says where it cannot work. */
import { afterAll, describe, expect, it } from '@jest/globals'
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { reasonOfSilence } from '../../../middleware/recovery/runtime-support.js'
import { recovery } from '../../../middleware/recovery.js'

const MODULE = fileURLToPath(new URL('../../../middleware/recovery.js', import.meta.url))

function warningsOf(before: string): string {
  const program = `${before}; process.on('warning', ({ code, message }) => console.log(code, message)); import(${JSON.stringify(MODULE)}).then(({ recovery }) => { recovery(); recovery() })`
  return execFileSync(process.execPath, ['--no-warnings', '-e', program], { encoding: 'utf8' })
}

/** Has modules link against a `node:v8` without `promiseHooks`, which is Deno's. */
const DENO_V8 = `
  import { register } from 'node:module'
  register('data:text/javascript,' + encodeURIComponent(\`
    export function resolve(specifier, context, next) {
      if (specifier !== 'node:v8') return next(specifier, context)
      return { url: 'data:text/javascript,' + encodeURIComponent("const { promiseHooks, ...rest } = process.getBuiltinModule('v8'); export default rest; export const { getHeapSnapshot, getHeapSpaceStatistics, getHeapStatistics, setFlagsFromString } = rest"), shortCircuit: true }
    }
  \`))
`

afterAll(() => {
  recovery.uninstall()
})

describe('a warning where late failures are not heard of', () => {
  it('in Jest, whose process is a copy', () => {
    expect(reasonOfSilence()).toMatch(/is a copy, as in Jest/)
  })
  it('once, where somebody else catches all exceptions', () => {
    expect(warningsOf('process.setUncaughtExceptionCaptureCallback(() => undefined)')).toMatch(/^ERR_RECOVERY_UNSUPPORTED recovery\(\): process\.setUncaughtExceptionCaptureCallback\(\) has been called.*\n$/)
  })
  it('on Bun and on Deno', () => {
    const on = (versions: object): string | undefined => reasonOfSilence({ versions } as unknown as NodeJS.Process)
    expect([on({ bun: '1.3.0' }), on({ deno: '2.5.0' })]).toEqual([expect.stringMatching(/^Bun does not ask/), expect.stringMatching(/^Deno does not ask/)])
  })
  it('and none in a plain process', () => {
    expect(warningsOf('')).toBe('')
  })
})

describe('a runtime without promise hooks, such as Deno', () => {
  it.each(['middleware/index', 'middleware/recovery', 'middleware/suite'])('%s loads, and trackPromises is of no effect', (entry) => {
    const url = new URL(`../../../${entry}.js`, import.meta.url).href
    const text = `const { recovery, suite } = await import(${JSON.stringify(url)}); recovery?.({ trackPromises: true }); suite?.({ recovery: { trackPromises: true } }); console.log('loaded')`
    const preload = `data:text/javascript,${encodeURIComponent(DENO_V8)}`
    expect(execFileSync(process.execPath, ['--no-warnings', '--import', preload, '--input-type=module', '--eval', text], { encoding: 'utf8' })).toBe('loaded\n')
  })
})
