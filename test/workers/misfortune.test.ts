/** What comes at a bad moment: a stop, a death or a reload while a worker has not answered yet. */
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { paramsOf } from '../process/support.js'
import { FastCgiClient } from '../support/fastcgi-client.js'
import { Command, runCommand } from './command.js'

const LOADING = fileURLToPath(new URL('programs/loading.js', import.meta.url))

describe('a worker that has not answered yet', () => {
  let directory: string
  let socket: string
  let command: Command

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'misfortune-'))
    socket = join(directory, 'app.sock')
  })

  afterEach(async () => {
    await command.kill()
    await rm(directory, { recursive: true })
  })

  function wish(what: 'go' | 'wait' | 'block'): void {
    writeFileSync(join(directory, 'wish'), what)
  }

  function start(...options: string[]): void {
    command = new Command([LOADING, '--socket', socket, '--boot-timeout', '10m', '--drain-timeout', '10m', ...options], { LOADING: join(directory, 'wish') })
  }

  /** The processes of the workers that have begun to load the app; resolves once there are so many. */
  async function loading(count: number): Promise<number[]> {
    for (;;) {
      const pids = command.child.lines.filter((line) => line.startsWith('loading ')).map((line) => Number(line.slice('loading '.length)))
      if (pids.length >= count) return pids
      const { stdout } = command.child.process
      if (stdout === null) throw new Error('the command has no stdout')
      await once(stdout, 'data')
    }
  }

  it('does not hold up a stop at the start', async () => {
    wish('wait')
    start()
    const [pid] = await loading(1)
    expect(await command.stop()).toMatchObject({ code: 0 })
    expect([pid].filter(lives)).toEqual([])
  })

  it('goes when SIGTERM comes in a reload, though its event loop stands still', async () => {
    wish('go')
    start()
    await command.logged('listening')
    wish('block')
    command.child.process.kill('SIGHUP')
    const pids = await loading(2)
    expect(await command.stop()).toMatchObject({ code: 0 })
    expect(pids.filter(lives)).toEqual([])
  })

  it('does not hold up a stop when it is to replace one that has died', async () => {
    wish('go')
    start('--stop-timeout', '10m')
    await command.logged('listening')
    const [victim = 0] = await loading(1)
    wish('wait')
    process.kill(victim, 'SIGKILL')
    await loading(2)
    expect(await command.stop()).toMatchObject({ code: 0 })
  })

  it('goes when a reload has brought others', async () => {
    wish('go')
    start()
    await command.logged('listening')
    const [victim = 0] = await loading(1)
    wish('wait')
    process.kill(victim, 'SIGKILL')
    const [, late = 0] = await loading(2)
    const reloading = runCommand(['reload', '--socket', socket])
    await loading(3)
    wish('go')
    expect(await reloading).toMatchObject({ code: 0 })
    await until(() => !lives(late))
    expect((await loading(3)).filter(lives)).toHaveLength(1)
  })

  it('is not left over when the worker that is being recycled dies meanwhile', async () => {
    wish('go')
    start()
    await command.logged('listening')
    const [victim = 0] = await loading(1)
    wish('wait')
    process.kill(victim, 'SIGTERM')
    await loading(2)
    process.kill(victim, 'SIGKILL')
    const pids = await loading(3)
    wish('go')
    await until(() => pids.filter(lives).length === 1)
  })
})

describe('a worker that a reload has replaced', () => {
  it('has no more time than stop-timeout when the whole is stopped', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'misfortune-'))
    const socket = join(directory, 'app.sock')
    writeFileSync(join(directory, 'wish'), 'go')
    const command = new Command([LOADING, '--socket', socket, '--stop-timeout', '100ms', '--drain-timeout', '10m'], { LOADING: join(directory, 'wish') })
    try {
      await command.logged('listening')
      const client = await FastCgiClient.connect(socket)
      client.request({ params: paramsOf('/never'), keepConnection: true }).catch(() => undefined)
      expect(await runCommand(['reload', '--socket', socket])).toMatchObject({ code: 0 })
      expect(await command.stop()).toMatchObject({ code: 0 })
    } finally {
      await command.kill()
      await rm(directory, { recursive: true })
    }
  })
})

function lives(pid: number | undefined): boolean {
  try {
    return pid !== undefined && process.kill(pid, 0)
  } catch {
    return false
  }
}

/** Nothing tells of the end of a process that is not ours. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await delay(20)
}
