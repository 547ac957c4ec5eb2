/** The packed tarball, unpacked where a user's project would have it, with the dependencies of this repository. */
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rename, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

export const run = promisify(execFile)

/** The repository, seen from dist/test/package. */
export const root = fileURLToPath(new URL('../../..', import.meta.url))

/** What is used of a package.json. */
export interface Manifest {
  name: string
  version: string
  scripts?: Record<string, string>
  bin?: Record<string, string>
  dependencies?: Record<string, string>
  peerDependencies?: Record<string, string>
  exports?: Record<string, unknown>
}

/** A directory that holds projects, with the package in its node_modules. */
export interface Workspace {
  directory: string
  /** Paths in the tarball, without its leading `package/`. */
  files: string[]
  manifest: Manifest
  remove(): Promise<void>
}

/** The packages, besides the package's own dependencies, that a user's project has. */
const LINKED = ['@types/node', '@types/express']

/**
 * Packs, unpacks and links. Nothing is downloaded, and nothing is compiled again: what is packed is what was built.
 *
 * @param express the directory in node_modules of the Express that the projects use
 */
export async function createWorkspace(express: 'express' | 'express4'): Promise<Workspace> {
  const directory = await mkdtemp(join(tmpdir(), 'package-'))
  const { files, tarball } = await pack(directory)
  const modules = join(directory, 'node_modules')
  await mkdir(modules)
  await run('tar', ['-xzf', tarball, '-C', modules])
  const unpacked = join(modules, 'express-responder')
  await rename(join(modules, 'package'), unpacked)
  const manifest = JSON.parse(await readFile(join(unpacked, 'package.json'), 'utf8')) as Manifest
  for (const name of [...LINKED, ...Object.keys(manifest.dependencies ?? {})]) await link(name, join(modules, name))
  await link(express, join(modules, 'express'))
  return { directory, files, manifest, remove: () => rm(directory, { recursive: true }) }
}

async function pack(directory: string): Promise<{ files: string[]; tarball: string }> {
  const { stdout } = await run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', directory], { cwd: root })
  const [packed] = JSON.parse(stdout) as { filename: string; files: { path: string }[] }[]
  if (packed === undefined) throw new Error('npm pack says nothing of a tarball')
  return { files: packed.files.map(({ path }) => path), tarball: join(directory, packed.filename) }
}

async function link(name: string, path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await symlink(join(root, 'node_modules', name), path)
}
