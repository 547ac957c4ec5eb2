/** A Node.js that is too old is told in one line which one is needed. */
import { describe, expect, it } from '@jest/globals'
import { checkNodeVersion } from '../../lib/node-version.js'

describe('the version of Node.js', () => {
  it.each(['18.20.8', '20.18.3', '16.0.0'])('%s is refused, with the one that is needed', (version) => {
    expect(() => {
      checkNodeVersion(version)
    }).toThrow(expect.objectContaining({
      code: 'ERR_FCGI_UNSUPPORTED_NODE', message: `express-responder needs Node.js 20.19 or later, and this is ${version}`,
    }))
  })

  it.each(['20.19.0', '22.12.0', '26.10.0', process.versions.node])('%s is not', (version) => {
    expect(() => {
      checkNodeVersion(version)
    }).not.toThrow()
  })
})
