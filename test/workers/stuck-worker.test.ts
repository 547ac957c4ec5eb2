/** Workers whose event loop stands still: another is made ready meanwhile, takes the place of one that is stuck, and goes where the loop turns again. */
import { existsSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { paramsOf } from '../process/support.js'
import { FastCgiClient } from '../support/fastcgi-client.js'
import { ANSWERING, Command, type LogLine } from './command.js'

describe('a worker whose event loop stands still', () => {
  let directory: string
  let socket: string
  let command: Command

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'stuck-'))
    socket = join(directory, 'app.sock')
  })

  afterEach(async () => {
    await command.kill()
    await rm(directory, { recursive: true })
  })

  async function start(...options: string[]): Promise<void> {
    command = new Command([ANSWERING, '--socket', socket, ...options])
    await command.logged('listening')
  }

  async function ask(url: string): Promise<string> {
    const client = await FastCgiClient.connect(socket)
    const { headers } = await client.request({ params: paramsOf(url), keepConnection: false })
    return String(headers['x-process'])
  }

  function timeOf(line: LogLine): number {
    return Number(line['time'])
  }

  it.each([
    ['JavaScript', '/stuck', { native: false, request: { method: 'GET', url: '/stuck' } }],
    ['native code', '/stuck-native', { native: true, stack: null, request: null }],
  ])('in %s is reported, and by then another is on its way, which serves', async (_, url, report) => {
    await start('--stuck-timeout', '2s')
    const stuck = await ask('/')
    ask(url).catch(() => undefined)
    const standing = await command.logged('event loop of a worker stands still')
    const reported = await command.logged('worker is stuck')
    const ready = await command.logged('worker ready')
    expect(standing).toMatchObject({ pid: Number(stuck), spare: ready.pid })
    expect(reported).toMatchObject({ pid: Number(stuck), ...report })
    expect(timeOf(standing)).toBeLessThan(timeOf(reported))
    expect(await ask('/')).toBe(String(ready.pid))
    expect(command.log.filter(({ msg }) => msg.startsWith('event loop of a worker turns'))).toEqual([])
  })

  it('and turns again stays, and the one that was made ready goes', async () => {
    await start('--stuck-timeout', '6s')
    const pid = await ask('/')
    const file = join(directory, 'release')
    const answer = ask(`/stands?${file}`)
    const { spare } = await command.logged('event loop of a worker stands still')
    writeFileSync(file, '')
    await command.logged('event loop of a worker turns again')
    expect(await answer).toBe(pid)
    expect(await ask('/')).toBe(pid)
    expect(spare).toEqual(expect.any(Number))
    while (existsSync(`/proc/${String(spare)}`)) await delay(10)
    expect(command.log.filter(({ msg }) => msg.startsWith('worker '))).toEqual([])
    expect(await command.stop()).toMatchObject({ code: 0 })
  })

  it('and is told to stop takes the one with it that was made ready', async () => {
    await start('--stuck-timeout', '10s', '--stop-timeout', '100ms')
    ask('/stuck').catch(() => undefined)
    const { spare } = await command.logged('event loop of a worker stands still')
    expect(await command.stop()).toMatchObject({ code: 0 })
    expect(existsSync(`/proc/${String(spare)}`)).toBe(false)
  })
})
