/**
 * The rule for tests that need a web server: where it is not installed they are reported as skipped,
 * with the Debian package that holds it; with REQUIRE_WEB_SERVERS=1 in the environment they fail instead.
 */
import { describe, it } from '@jest/globals'
import type { Requirement } from './programs.js'

/**
 * `describe` for tests that need web servers. Where one of them is missing, a single test stands in for
 * the group: skipped, or failing where REQUIRE_WEB_SERVERS=1, and named after the packages to install.
 */
export function describeIfInstalled(requirements: Requirement | readonly Requirement[], title: string, body: () => void): void {
  const missing = [requirements].flat().filter(({ installed }) => !installed)
  if (missing.length === 0) {
    describe(title, body)
    return
  }
  const packages = [...new Set(missing.map((requirement) => requirement.package))].join(' ')
  const name = `needs the Debian package${packages.includes(' ') ? 's' : ''} ${packages}: apt-get install ${packages}`
  describe(title, () => {
    if (process.env['REQUIRE_WEB_SERVERS'] !== '1') it.skip(name, () => undefined)
    else {
      it(name, () => {
        throw new Error(`not installed: ${packages}`)
      })
    }
  })
}
