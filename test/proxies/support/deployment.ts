/**
 * A program installed below a workspace's srv, with its dependencies, as an operator would deploy it: a web
 * server that starts it may run as a user who cannot read the repository.
 */
import { cp, mkdir, readFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { PACKAGE_ROOT } from './workspace.js'
import type { Workspace } from './workspace.js'

interface Manifest {
  name: string
  dependencies?: Record<string, string>
}

/** Path of the Unix socket over which a deployed program reports. */
export function eventsPath(workspace: Workspace): string {
  return join(workspace.run, 'events.sock')
}

/** Installs the app under test as srv/app.js. */
export async function deployApp(workspace: Workspace): Promise<void> {
  const support = 'test/proxies/support'
  await deploy(workspace, [support], `import { run } from './${support}/program.js'\nawait run(${JSON.stringify(eventsPath(workspace))})\n`)
}

/**
 * Installs a program.
 *
 * @param directories what it imports, as directories below dist/; they keep their places below srv
 * @param program the text of srv/app.js
 */
export async function deploy(workspace: Workspace, directories: readonly string[], program: string): Promise<void> {
  const modules = join(workspace.srv, 'node_modules')
  const own = await manifest(PACKAGE_ROOT)
  const target = join(modules, own.name)
  await mkdir(target, { recursive: true })
  await cp(join(PACKAGE_ROOT, 'package.json'), join(target, 'package.json'))
  for (const directory of ['lib', 'middleware', 'shared']) {
    await cp(join(PACKAGE_ROOT, 'dist', directory), join(target, 'dist', directory), { recursive: true })
  }
  await copyDependencies(modules)
  for (const directory of directories) {
    await cp(join(PACKAGE_ROOT, 'dist', directory), join(workspace.srv, directory), { recursive: true })
  }
  await workspace.write('srv/package.json', '{ "type": "module" }\n')
  await workspace.write('srv/app.js', program)
}

/** Copies what the package needs, Express among it, into a folder of modules. */
export async function copyDependencies(modules: string): Promise<void> {
  const own = await manifest(PACKAGE_ROOT)
  for (const name of await dependencies([...Object.keys(own.dependencies ?? {}), 'express'])) {
    await cp(join(PACKAGE_ROOT, 'node_modules', name), join(modules, name), { recursive: true, dereference: true })
  }
}

/** These packages and all that they need, as far as they lie beside each other in node_modules. */
async function dependencies(names: readonly string[]): Promise<Set<string>> {
  const found = new Set<string>()
  const queue = [...names]
  for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
    const directory = join(PACKAGE_ROOT, 'node_modules', name)
    if (found.has(name) || !existsSync(directory)) continue
    found.add(name)
    queue.push(...Object.keys((await manifest(directory)).dependencies ?? {}))
  }
  return found
}

async function manifest(directory: string): Promise<Manifest> {
  return JSON.parse(await readFile(join(directory, 'package.json'), 'utf8')) as Manifest
}
