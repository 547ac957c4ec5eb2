/**
 * A fresh directory for one web server and one app, and the one mechanism by which the configurations in
 * examples/ are run: the file is taken as it is, but for these names, which stand for a machine of the
 * operator's and are replaced by the test's own:
 *
 * - `/run/app`              where the socket app.sock is
 * - `/srv/app`              the program app.js, the folders public and protected, the passwords in users
 * - `/var/cache/nginx/app`  nginx's cache
 * - `/home/alice/app`       the same directory, as a customer of a shared host has it
 * - `/home/alice`           that customer's home
 * - `/usr/bin/node`         the Node.js that runs the test
 * - `9000`                  the port of 127.0.0.1 where an app listens on TCP
 * - `8080`                  the web server's port, on 127.0.0.1
 */
import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createHash } from 'node:crypto'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from './ports.js'
import { USER } from './user.js'

/** The root of the package: this file is compiled to dist/test/proxies/support. */
export const PACKAGE_ROOT = fileURLToPath(new URL('../../../..', import.meta.url))

const NAMES = /\/run\/app|\/srv\/app|\/home\/alice\/app(?=[\s/])|\/home\/alice|\/var\/cache\/nginx\/app|\/usr\/bin\/node|\b9000\b|8080/g

/** The directories and files of one site under test. */
export interface Workspace {
  readonly directory: string
  /** Stands for /run/app. */
  readonly run: string
  /** Stands for /srv/app. */
  readonly srv: string
  /** Stands for /home/alice. */
  readonly home: string
  /** Path of the app's socket. */
  readonly socket: string
  /** Port for an app that listens on TCP. */
  readonly appPort: number
  /** Text with the names above replaced, `port` being that of the web server. */
  adapt(text: string, port: number): string
  /**
   * Installs a file of examples/ under its own name, or `name`, changed by `edit` where that is what is tested. An absolute path
   * is that of a copy.
   *
   * @returns its path.
   */
  install(example: string, port: number, name?: string, edit?: (text: string) => string): Promise<string>
  /** Writes a file of the test's own. @returns its path. */
  write(name: string, text: string): Promise<string>
  remove(): Promise<void>
}

/** Makes a workspace below the system's temporary directory. */
export async function createWorkspace(): Promise<Workspace> {
  const directory = await mkdtemp(join(tmpdir(), 'er-'))
  const run = join(directory, 'run')
  const srv = join(directory, 'srv')
  const cache = join(directory, 'cache')
  const home = join(directory, 'home')
  for (const path of [run, srv, cache, home, join(home, 'public_html'), join(srv, 'public'), join(srv, 'public/private'), join(srv, 'protected')]) {
    await mkdir(path)
  }
  // Apache started by root works as www-data; the mask of whoever runs the tests may be strict.
  for (const path of [directory, srv, home, join(home, 'public_html'), join(srv, 'public'), join(srv, 'public/private'), join(srv, 'protected')]) {
    await chmod(path, 0o755)
  }
  for (const path of [run, cache]) await chmod(path, 0o777)
  const appPort = await freePort()
  const replacements = new Map([
    ['/run/app', run],
    ['/srv/app', srv],
    ['/var/cache/nginx/app', cache],
    ['/home/alice/app', srv],
    ['/home/alice', home],
    ['/usr/bin/node', process.execPath],
    ['9000', String(appPort)],
  ])
  const workspace: Workspace = {
    directory,
    run,
    srv,
    home,
    socket: join(run, 'app.sock'),
    appPort,
    adapt: (text, port) => text.replaceAll(NAMES, (name) => replacements.get(name) ?? String(port)),
    async install(example, port, name = basename(example), edit = (text) => text) {
      const source = resolve(PACKAGE_ROOT, 'examples', example)
      const { mode } = await stat(source)
      const path = await workspace.write(name, workspace.adapt(edit(await readFile(source, 'utf8')), port))
      await chmod(path, mode & 0o777)
      return path
    },
    async write(name, text) {
      const path = join(directory, name)
      await writeFile(path, text)
      await chmod(path, 0o644)
      return path
    },
    remove: () => rm(directory, { recursive: true, force: true, maxRetries: 3 }),
  }
  await writeUsers(workspace)
  return workspace
}

async function writeUsers(workspace: Workspace): Promise<void> {
  const digest = createHash('sha1').update(USER.password).digest('base64')
  await workspace.write('srv/users', `${USER.name}:{SHA}${digest}\n`)
}
