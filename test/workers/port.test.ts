/** The command on a TCP port: what waits to be accepted when it stops, and who comes later. */
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { freePort } from '../proxies/support/ports.js'
import { ask } from '../process/support.js'
import { FastCgiClient } from '../support/fastcgi-client.js'
import { ANSWERING, Command } from './command.js'

const CLIENTS = 40

describe('a stop of the command on a port', () => {
  let directory: string
  let port: number
  let command: Command

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'port-'))
    port = await freePort()
    command = new Command([ANSWERING, '--port', String(port), '--control-socket', join(directory, 'control'), '--workers', '2', '--stop-timeout', '20s'])
    await command.logged('listening')
  })

  afterEach(async () => {
    await command.kill()
    await rm(directory, { recursive: true })
  })

  it('answers those who were connected before a worker could accept them', async () => {
    const pid = String(command.child.process.pid)
    const workers = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim().split(' ').map(Number)
    for (const worker of workers) process.kill(worker, 'SIGSTOP')
    const clients = await Promise.all(Array.from({ length: CLIENTS }, () => FastCgiClient.connect(port)))
    const answers = Promise.all(clients.map((client) => ask(client, '/')))
    const ended = command.stop()
    for (const worker of workers) process.kill(worker, 'SIGCONT')
    expect((await answers).filter((answer) => !answer.startsWith('200 GET 0'))).toEqual([])
    expect(await ended).toMatchObject({ code: 0 })
  })

  it('refuses those who come later, while it answers what it has', async () => {
    const client = await FastCgiClient.connect(port)
    const answer = ask(client, '/never').catch(() => undefined)
    const ended = command.stop()
    for (let code = ''; code !== 'ECONNREFUSED';) {
      await delay(20)
      const socket = connect(port, '127.0.0.1')
      code = await new Promise((resolve) => {
        socket.once('connect', () => {
          resolve('')
        }).once('error', ({ code: reason }: NodeJS.ErrnoException) => {
          resolve(reason ?? '')
        })
      })
      socket.destroy()
    }
    expect(command.child.process.exitCode).toBeNull()
    await client.destroy()
    await answer
    await ended
  })
})
