/** Reloading under load, behind real web servers; and what a reload with broken code does: nothing. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { describeIfInstalled } from '../proxies/support/installed.js'
import { servers } from '../proxies/support/servers.js'
import type { RunningServer } from '../proxies/support/web-server.js'
import { createWorkspace, type Workspace } from '../proxies/support/workspace.js'
import { Load } from '../process/load.js'
import { ANSWERING, Command, runCommand } from './command.js'
import { USUAL_CLOSING, reloadBehind } from './reloads.js'

/** The control fails in one of two reloads or so: it is tried again and again, and ends with the first failure. */
const MOST_RELOADS = 60
const CONTROL_LIMIT_MS = 480_000

describe.each([servers.nginx, servers.haproxy])('reload behind $name', (server) => {
  describeIfInstalled(server, 'which keeps its connections', () => {
    it('loses no request, GET or POST', async () => {
      const { requests, posts, failures, processes } = await reloadBehind(server, 3)
      expect(failures).toEqual([])
      expect(processes).toBeGreaterThan(4)
      expect(posts).toBeGreaterThan(0)
      expect(requests).toBeGreaterThan(posts)
    })

    it('loses some where connections are closed in the usual way: the control', async () => {
      const { failures } = await reloadBehind(server, MOST_RELOADS, { options: USUAL_CLOSING, untilOneFails: true })
      expect(failures).not.toEqual([])
    }, CONTROL_LIMIT_MS)
  })
})

describeIfInstalled(servers.nginx, 'a reload with code that', () => {
  let workspace: Workspace
  let front: RunningServer
  let command: Command
  let mode: string
  let configuration: string

  beforeEach(async () => {
    workspace = await createWorkspace()
    mode = join(workspace.directory, 'mode')
    writeFileSync(mode, '')
    configuration = join(workspace.directory, 'command.json')
    writeFileSync(configuration, '{}')
    command = new Command([ANSWERING, '--socket', workspace.socket, '--mode', '0666', '--workers', '2', '--config', configuration], { APP_MODE: mode })
    await command.logged('listening')
    front = await servers.nginx.start(workspace)
  })

  afterEach(async () => {
    await front.stop()
    await command.kill()
    await workspace.remove()
  })

  it.each([
    ['throws', {}, 'the new code is broken'],
    ['hangs', { bootTimeout: '1s' }, 'has not answered within 1000 ms'],
    ['500', {}, 'answered 500 to GET /'],
  ])('%s fails, says why, and the old workers go on without a failure', async (broken, options, reason) => {
    const load = new Load(front.port)
    writeFileSync(mode, broken)
    // A reload reads it again.
    writeFileSync(configuration, JSON.stringify(options))
    const { code, stderr } = await runCommand(['reload', '--socket', workspace.socket])
    await load.end()
    expect(code).toBe(1)
    expect(stderr).toContain('the old workers go on')
    expect(stderr).toContain(reason)
    expect(stderr.match(/\bSee /g)).toHaveLength(1)
    expect((await command.logged('the old workers go on'))['level']).toBe(50)
    expect(load.failures).toEqual([])
    writeFileSync(mode, 'new')
    writeFileSync(configuration, '{}')
    expect(await runCommand(['reload', '--socket', workspace.socket])).toMatchObject({ code: 0, stdout: 'reloaded' })
    const response = await fetch(`http://127.0.0.1:${String(front.port)}/`, { headers: { Host: 'app.example.com' } })
    expect(response.headers.get('x-mode')).toBe('new')
  })

  it.each(['statusSocket', 'controlSocket', 'socket'])('names another %s is refused by name, since it could not be had', async (name) => {
    writeFileSync(configuration, JSON.stringify({ [name]: join(workspace.directory, 'other.sock') }))
    const { code, stderr } = await runCommand(['reload', '--socket', workspace.socket])
    // The flag comes before the file.
    if (name === 'socket') expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    else expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining(`${name} cannot change in a reload`) })
  })

  it('has another log level is heeded from then on', async () => {
    writeFileSync(configuration, JSON.stringify({ logLevel: 'silent' }))
    expect(await runCommand(['reload', '--socket', workspace.socket])).toMatchObject({ code: 0 })
    writeFileSync(configuration, JSON.stringify({ logLevel: 'warn' }))
    writeFileSync(mode, 'throws')
    expect(await runCommand(['reload', '--socket', workspace.socket])).toMatchObject({ code: 1 })
    // It failed: the level is what it was.
    writeFileSync(mode, '')
    expect(await runCommand(['reload', '--socket', workspace.socket])).toMatchObject({ code: 0 })
    writeFileSync(mode, 'throws')
    expect(await runCommand(['reload', '--socket', workspace.socket])).toMatchObject({ code: 1 })
    expect(await command.logged('the old workers go on')).toMatchObject({ level: 50 })
    expect(command.log.map(({ msg }) => msg.slice(0, 9))).toEqual(['listening', 'reloading', 'the old w'])
  })
})
