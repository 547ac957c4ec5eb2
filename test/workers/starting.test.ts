/** The ways in which the command is started, under load behind nginx: no request fails. */
import { existsSync } from 'node:fs'
import { mkdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, it } from '@jest/globals'
import { describeIfInstalled } from '../proxies/support/installed.js'
import { servers } from '../proxies/support/servers.js'
import { createWorkspace, type Workspace } from '../proxies/support/workspace.js'
import { ANSWERING, COMMAND, Command, runCommand } from './command.js'
import { underLoad, type UnderLoad } from './under-load.js'

const [MAJOR = 0, MINOR = 0] = process.versions.node.split('.').map(Number)
const STRIPS_TYPES = MAJOR > 22 || (MAJOR === 22 && MINOR >= 18)
/** For how long clients ask before and after, in ms. */
const SETTLING = 500

/** The app of these tests, in a file with types. */
const TYPED = `import { app as answering } from ${JSON.stringify(ANSWERING)}
type Listener = (...given: unknown[]) => void
export const app: Listener = (request, response) => { (answering as Listener)(request, response) }
`

/** As npm links it. */
async function linked({ directory }: Workspace): Promise<string> {
  const folder = join(directory, 'node_modules', '.bin')
  await mkdir(folder, { recursive: true })
  const link = join(folder, 'express-responder')
  await symlink(COMMAND, link)
  return link
}

async function reload({ workspace, load }: UnderLoad): Promise<void> {
  await delay(SETTLING)
  expect(await runCommand(['reload', '--socket', workspace.socket])).toMatchObject({ code: 0 })
  await delay(SETTLING)
  await load.end()
}

async function refusesTypes(): Promise<void> {
  const workspace = await createWorkspace()
  try {
    const command = new Command([await workspace.write('app.mts', TYPED), '--socket', workspace.socket])
    expect(await command.child.ended).toMatchObject({ code: 1, stderr: '' })
    expect(command.log.map(({ msg }) => msg)).toEqual([expect.stringMatching(/^Node\.js v\S+ cannot load \S+app\.mts: name the JavaScript that it is compiled to, or take Node\.js 22\.18/)])
  } finally {
    await workspace.remove()
  }
}

describeIfInstalled(servers.nginx, 'the command, under load', () => {
  it('started by the link that npx runs, answers all, reloads and stops', async () => {
    await underLoad({ server: servers.nginx, args: [ANSWERING, '--workers', '2'], program: linked }, async (running) => {
      await reload(running)
      expect(await running.command.stop()).toMatchObject({ code: 0 })
      expect(existsSync(running.workspace.socket)).toBe(false)
      expect(running.load.failures).toEqual([])
      expect(running.load.processes.size).toBe(4)
    })
  })

  it('started with --replace at the path of one that runs, takes over, and the other stops', async () => {
    await underLoad({ server: servers.nginx, args: [ANSWERING, '--workers', '2'] }, async ({ workspace, command, load }) => {
      await delay(SETTLING)
      const second = new Command([ANSWERING, '--workers', '2', '--socket', workspace.socket, '--mode', '0666', '--replace'])
      try {
        await second.logged('listening')
        expect(await command.stop()).toMatchObject({ code: 0 })
        await delay(SETTLING)
        await load.end()
        expect(load.failures).toEqual([])
        expect(load.processes.size).toBe(4)
        expect(existsSync(workspace.socket)).toBe(true)
        expect(await second.stop()).toMatchObject({ code: 0 })
        expect(existsSync(workspace.socket)).toBe(false)
      } finally {
        await second.kill()
      }
    })
  })

  it('with an app in TypeScript, answers all and reloads; where Node.js does not remove types it says so in one line', async () => {
    const args = async (workspace: Workspace): Promise<string[]> => [await workspace.write('app.mts', TYPED), '--workers', '2']
    if (STRIPS_TYPES) {
      await underLoad({ server: servers.nginx, args }, async (running) => {
        await reload(running)
        expect(running.load.failures).toEqual([])
        expect(running.load.processes.size).toBe(4)
      })
    } else await refusesTypes()
  })
})
