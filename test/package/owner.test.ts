/** Who owns the package stands in one place, and nothing is published before it does. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { root, run } from './packed.js'

interface Manifest {
  author: string
  homepage: string
  repository: { type: string; url: string }
  bugs: { url: string }
  scripts: Record<string, string>
}

/** The fields as an owner fills them in. */
const FILLED: Omit<Manifest, 'scripts'> = {
  author: 'Alice Example <alice@example.com>',
  homepage: 'https://github.com/alice/express-responder#readme',
  repository: { type: 'git', url: 'git+https://github.com/alice/express-responder.git' },
  bugs: { url: 'https://github.com/alice/express-responder/issues' },
}

let directory: string
let own: Manifest
beforeEach(async () => {
  own = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as Manifest
  directory = await mkdtemp(join(tmpdir(), 'owner-'))
})
afterEach(() => rm(directory, { recursive: true }))

/** What the script that runs before a publication says of such a package.json; empty where it lets it be published. */
async function complaint(fields: object): Promise<string> {
  await writeFile(join(directory, 'package.json'), JSON.stringify(fields))
  const [program = '', ...args] = own.scripts['prepublishOnly']?.split(' ') ?? []
  return run(program, [...args, directory], { cwd: root }).then(
    () => '',
    (error: unknown) => typeof error === 'object' && error !== null && 'stderr' in error ? String(error.stderr) : String(error),
  )
}

describe('before npm publishes', () => {
  it('a package.json that names its owner is let through', async () => {
    expect(await complaint(FILLED)).toBe('')
  })

  it.each([
    ['author', { author: 'OWNER' }],
    ['homepage', { homepage: 'https://github.com/OWNER/express-responder#readme' }],
    ['repository', { repository: { type: 'git', url: 'git+https://github.com/OWNER/express-responder.git' } }],
    ['bugs', { bugs: undefined }],
  ])('one without %s is refused, with what to do', async (name, fields) => {
    const text = await complaint({ ...FILLED, ...fields })
    expect(text).toMatch(new RegExp(`^Not published: .* in ${name}\\. Put the name of the owner`))
    expect(text).toContain('CONTRIBUTING.md')
  })
})

it('the addresses in package.json are of one repository', () => {
  const [, address = ''] = /^git\+(https:.+)\.git$/.exec(own.repository.url) ?? []
  expect(address).toMatch(/\/express-responder$/)
  expect([own.homepage, own.bugs.url]).toEqual([`${address}#readme`, `${address}/issues`])
})
