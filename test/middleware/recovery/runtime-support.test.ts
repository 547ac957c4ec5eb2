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
