/**
 * Builds a git revision beside the working tree, so that both can be measured in one run. It gets the benchmark of the
 * working tree: the same programs run on either package. Types are not checked, and dependencies are those installed here.
 */
import { execFileSync } from 'node:child_process'
import { cp, readdir, rm, symlink } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

/** The working tree. */
export const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const ROOMS = ['lib', 'middleware', 'shared', 'bench', 'tools']

/** A revision that was built. */
export interface BuiltRevision {
  directory: string
  /** The commit, abbreviated. */
  commit: string
  remove(): Promise<void>
}

/**
 * Builds a revision in a directory that does not exist.
 *
 * @throws Error where git does not know the revision, or it cannot be built
 */
export async function buildRevision(revision: string, directory: string): Promise<BuiltRevision> {
  const git = (...args: string[]): string => execFileSync('git', ['-C', ROOT, ...args], { encoding: 'utf8' }).trim()
  const commit = git('rev-parse', '--short', '--verify', '--end-of-options', `${revision}^{commit}`)
  git('worktree', 'add', '--quiet', '--detach', directory, commit)
  const remove = async (): Promise<void> => {
    git('worktree', 'remove', '--force', directory)
    await rm(directory, { recursive: true, force: true })
  }
  try {
    await symlink(path.join(ROOT, 'node_modules'), path.join(directory, 'node_modules'))
    await rm(path.join(directory, 'bench'), { recursive: true, force: true })
    await cp(path.join(ROOT, 'bench'), path.join(directory, 'bench'), { recursive: true })
    await compile(directory)
    execFileSync(process.execPath, ['tools/build-page.js'], { cwd: directory, stdio: ['ignore', 'ignore', 'inherit'] })
    return { directory, commit, remove }
  } catch (error) {
    await remove()
    throw error
  }
}

async function compile(directory: string): Promise<void> {
  const sources: string[] = []
  for (const room of ROOMS) {
    const names = await readdir(path.join(directory, room), { recursive: true }).catch(() => [])
    sources.push(...names.filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts')).map((name) => path.join(directory, room, name)))
  }
  await build({
    entryPoints: sources,
    outdir: path.join(directory, 'dist'),
    outbase: directory,
    format: 'esm',
    target: 'es2022',
    platform: 'node',
    logLevel: 'error',
  })
}
