// Refuses to publish while package.json names no owner: `npm publish` runs it before anything else (prepublishOnly).
// An argument is the directory of another package.json, for tests.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const directory = process.argv[2] ?? fileURLToPath(new URL('..', import.meta.url))
const FIELDS = ['author', 'repository', 'homepage', 'bugs']
/** Stands for the account at GitHub, or the name of a person, until there is one. */
const PLACEHOLDER = /\bOWNER\b/

const manifest = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'))
const missing = FIELDS.filter((name) => manifest[name] === undefined || PLACEHOLDER.test(JSON.stringify(manifest[name])))
if (missing.length > 0) {
  process.stderr.write(`Not published: package.json says nobody's name in ${missing.join(', ')}. Put the name of the owner, and the address of the\n` +
    'repository, in the place of OWNER. CONTRIBUTING.md, "Before the first release", has the lines.\n')
  process.exitCode = 1
}
