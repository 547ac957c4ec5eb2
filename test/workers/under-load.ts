/** The command behind a web server, under a load of GET and POST: started, given to the work, and all of it ended again. */
import { Load } from '../process/load.js'
import type { RunningServer, WebServer } from '../proxies/support/web-server.js'
import { createWorkspace, type Workspace } from '../proxies/support/workspace.js'
import { Command } from './command.js'

/** What runs. */
export interface UnderLoad {
  readonly workspace: Workspace
  readonly command: Command
  readonly front: RunningServer
  readonly load: Load
}

/** How it is started. */
export interface LoadedCommand {
  readonly server: WebServer
  /** The module, and options besides the socket's. */
  readonly args: readonly string[] | ((workspace: Workspace) => Promise<readonly string[]>)
  /** The path by which the command is started. */
  readonly program?: (workspace: Workspace) => Promise<string>
  readonly environment?: (workspace: Workspace) => Readonly<Record<string, string>>
  readonly load?: { readonly hasIds?: boolean, readonly pause?: number }
}

/** Runs `work` with the command behind a web server, under load. */
export async function underLoad<Outcome>({ server, args: given, program, environment, load: how }: LoadedCommand, work: (running: UnderLoad) => Promise<Outcome>): Promise<Outcome> {
  const workspace = await createWorkspace()
  const args = typeof given === 'function' ? await given(workspace) : given
  const started = program === undefined ? {} : { program: await program(workspace) }
  const command = new Command([...args, '--socket', workspace.socket, '--mode', '0666'], environment?.(workspace), started)
  try {
    await command.logged('listening')
    const front = await server.start(workspace)
    const load = new Load(front.port, '/', how)
    try {
      return await work({ workspace, command, front, load })
    } finally {
      await load.end()
      await front.stop()
    }
  } finally {
    await command.kill()
    await workspace.remove()
  }
}
