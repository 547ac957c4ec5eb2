/** Tests that need a program from a Debian package: skipped without it, but failing where REQUIRE_WEB_SERVERS=1. */
import { it } from '@jest/globals'
import { accessSync, constants } from 'node:fs'
import { join } from 'node:path'

/** Where a program is: on the PATH, or where Debian puts what only root runs. */
export function programPath(name: string): string | undefined {
  return [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/sbin'].map((directory) => join(directory, name)).find((path) => {
    try {
      accessSync(path, constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/** `it` for a test that needs a program; the body gets its path. */
export function itNeeds(program: string, debianPackage: string, title: string, body: (path: string) => Promise<void>): void {
  const path = programPath(program)
  if (path !== undefined) {
    it(title, () => body(path))
    return
  }
  const needs = `${title} (needs ${program}: apt-get install ${debianPackage})`
  if (process.env['REQUIRE_WEB_SERVERS'] !== '1') it.skip(needs, () => undefined)
  else {
    it(needs, () => {
      throw new Error(`${program} is not installed`)
    })
  }
}
