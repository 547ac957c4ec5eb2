/** What is in the tarball, what is not, and what its names lead to. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { createWorkspace, root, run, type Workspace } from './packed.js'

/** The names that other programs rely on. */
const SUBPATHS = ['.', './middleware', './concurrency', './rate-limit', './recovery', './memory', './suite']
/** Scripts that npm runs in the projects of those who install the package. */
const INSTALL_SCRIPTS = ['preinstall', 'install', 'postinstall', 'prepare']
const ALLOWED = [
  /^(?:package\.json|README\.md|LICENSE|CHANGELOG\.md|ARCHITECTURE\.md|SECURITY\.md)$/,
  /^dist\/(?:lib|middleware|shared)\/(?!memory\/page\/browser\/).+\.(?:js|d\.ts)$/,
  /^examples\//,
  /^docs\/(?:[\w-]+\/)?[\w-]+\.md$/,
  /^docs\/images\/[\w-]+\.(?:png|webp)$/,
]

interface Lock {
  packages: Record<string, { dev?: boolean; peer?: boolean; hasInstallScript?: boolean }>
}

let workspace: Workspace
beforeAll(async () => {
  workspace = await createWorkspace('express')
})
afterAll(() => workspace.remove())

/** Runs a program in the workspace and reads the JSON that it prints. */
async function evaluate(file: string, text: string): Promise<unknown> {
  await writeFile(join(workspace.directory, file), text)
  const { stdout } = await run(process.execPath, [file], { cwd: workspace.directory })
  return JSON.parse(stdout)
}

describe('the tarball', () => {
  it('has what is needed to run and to read, and no tests, benchmarks or other files', () => {
    expect(workspace.files).toEqual(expect.arrayContaining(['package.json', 'dist/lib/index.js', 'dist/lib/index.d.ts']))
    expect(workspace.files.filter((path) => !ALLOWED.some((allowed) => allowed.test(path)))).toEqual([])
    expect(workspace.files.filter((path) => /(?:^|\/)(?:test|bench)\/|\.test\./.test(path))).toEqual([])
  })

  it('has what the memory page is made of', () => {
    expect(workspace.files).toContain('dist/middleware/memory/page/assets.js')
  })

  it('has no native code and runs nothing when it is installed', () => {
    expect(workspace.files.filter((path) => /\.node$|binding\.gyp$|\.(?:c|cc|cpp|h)$/.test(path))).toEqual([])
    expect(Object.keys(workspace.manifest.scripts ?? {}).filter((name) => INSTALL_SCRIPTS.includes(name))).toEqual([])
  })

  it('needs no package that runs something when it is installed', async () => {
    const { packages } = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8')) as Lock
    const needed = Object.entries(packages).filter(([path, { dev, peer }]) => path !== '' && dev !== true && peer !== true)
    expect(needed.length).toBeGreaterThan(0)
    expect(needed.filter(([, { hasInstallScript }]) => hasInstallScript === true)).toEqual([])
  })

  it('has a command that starts where nothing but the package and what it needs is installed', async () => {
    const [command] = Object.values(workspace.manifest.bin ?? {})
    const { stdout } = await run(process.execPath, [join(workspace.directory, 'node_modules/express-responder', String(command)), '--version'])
    expect(stdout.trim()).toBe(workspace.manifest.version)
  })

  it('imports no package that it does not name as needed', async () => {
    const { dependencies = {}, peerDependencies = {}, name } = workspace.manifest
    const known = new Set([...Object.keys(dependencies), ...Object.keys(peerDependencies), name])
    const imported = new Set<string>()
    for (const file of workspace.files.filter((path) => /^dist\/.*\.js$/.test(path))) {
      const text = await readFile(join(workspace.directory, 'node_modules/express-responder', file), 'utf8')
      const specifiers = text.matchAll(/^(?:import|export)\s[\w\s{},*$]*?['"]([^'"]+)['"]|\bimport\(['"]([^'"]+)['"]\)/gm)
      for (const [, still, asked] of specifiers) imported.add(String(still ?? asked))
    }
    const packages = [...imported].filter((specifier) => !/^(?:node:|\.)/.test(specifier)).map((specifier) => /^(?:@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? specifier)
    expect(packages).toContain('commander')
    expect(packages.filter((specifier) => !known.has(specifier))).toEqual([])
  })

  it('has every file that its exports name', () => {
    expect(Object.keys(workspace.manifest.exports ?? {})).toEqual(expect.arrayContaining(SUBPATHS))
    const named = JSON.stringify(workspace.manifest.exports).match(/(?<="\.\/)[^"]+\.(?:js|d\.ts|json)(?=")/g) ?? []
    expect(named.filter((path) => !workspace.files.includes(path))).toEqual([])
  })
})

describe.each(SUBPATHS)('the export %s', (subpath) => {
  const name = subpath.replace('.', 'express-responder')

  it('gives the same named exports, and no default, to import and require', async () => {
    const [names, same] = (await evaluate(
      'resolve.mjs',
      `import { createRequire } from 'node:module'
       const required = createRequire(import.meta.url)('${name}')
       const imported = await import('${name}')
       console.log(JSON.stringify([Object.keys(imported), imported === required]))`,
    )) as [string[], boolean]
    expect(same).toBe(true)
    expect(names).not.toContain('default')
  })

  it('can be required by a CommonJS program', async () => {
    expect(await evaluate('resolve.cjs', `console.log(JSON.stringify(typeof require('${name}')))`)).toBe('object')
  })
})

it('the package shows the public face of the design', async () => {
  const names = await evaluate(
    'names.mjs',
    "import * as face from 'express-responder'; console.log(JSON.stringify(Object.keys(face)))",
  )
  expect(names).toEqual(expect.arrayContaining(['createServer', 'serve', 'params', 'prepared', 'gateway']))
})
