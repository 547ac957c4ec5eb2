/** `npm pack` from a fresh checkout. Compiling takes a quarter of a minute: one of the long tests. */
import { cp, mkdtemp, readdir, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { root, run } from './packed.js'

const COMPILING = 240_000
/** What is not in a fresh checkout, or is not looked at: packing reads no more of it than its names. */
const LEFT_OUT = ['node_modules', 'dist', '.git']

let checkout = ''
let files: string[] = []
beforeAll(async () => {
  checkout = await mkdtemp(join(tmpdir(), 'checkout-'))
  for (const name of await readdir(root)) {
    if (!LEFT_OUT.includes(name)) await cp(join(root, name), join(checkout, name), { recursive: true })
  }
  await symlink(join(root, 'node_modules'), join(checkout, 'node_modules'))
  const { stdout } = await run('npm', ['pack', '--dry-run', '--json', '--silent'], { cwd: checkout })
  const [packed] = JSON.parse(stdout.slice(stdout.indexOf('['))) as { files: { path: string }[] }[]
  files = packed?.files.map(({ path }) => path) ?? []
}, COMPILING)
afterAll(() => rm(checkout, { recursive: true, force: true }))

it('compiles lib, middleware and shared, and nothing that is not packed', async () => {
  expect(await readdir(join(checkout, 'dist'))).toEqual(['lib', 'middleware', 'shared'])
})

it('packs the same files as after a build of everything', async () => {
  const { stdout } = await run('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: root })
  const [packed] = JSON.parse(stdout) as { files: { path: string }[] }[]
  expect(files).toEqual(packed?.files.map(({ path }) => path))
  expect(files).toContain('dist/middleware/memory/page/assets.js')
})
