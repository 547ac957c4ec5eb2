/**
 * The rule for tests that need a web server: where it is not installed they are reported as skipped,
 * with the Debian package that holds it; with REQUIRE_WEB_SERVERS=1 in the environment they fail instead.
 */
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { describe, it } from '@jest/globals'

/** What a group of tests needs from the machine. */
export interface Requirement {
  /** The Debian package to install. */
  package: string
  /** Whether all that is needed of it is there. */
  installed: boolean
}

/** Directories of system programs that a user's PATH often lacks. */
const SYSTEM_DIRECTORIES = ['/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/local/bin', '/usr/bin', '/bin']

/** The path of a program; undefined where it is not installed. */
export function findProgram(name: string): string | undefined {
  const directories = [...(process.env['PATH'] ?? '').split(delimiter).filter(Boolean), ...SYSTEM_DIRECTORIES]
  return directories.map((directory) => join(directory, name)).find((path) => isAccessible(path, constants.X_OK))
}

/** Whether a file can be read: for modules of a web server, which are no programs. */
export function isReadable(path: string): boolean {
  return isAccessible(path, constants.R_OK)
}

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

function isAccessible(path: string, mode: number): boolean {
  try {
    accessSync(path, mode)
    return true
  } catch {
    return false
  }
}
