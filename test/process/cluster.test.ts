/** serve() in workers of node:cluster: they share one socket file, as they share a port. */
import { describe, expect, it } from '@jest/globals'
import { mkdirSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { FastCgiClient } from '../support/fastcgi-client.js'
import { ask, inDirectory, startProgram, type Child } from './support.js'

const NO_WORKERS_LEFT = 'worker 3 ended 0'

async function startCluster(options: object, workers: number, policy: string): Promise<Child> {
  const primary = startProgram('programs/cluster.js', [JSON.stringify(options), String(workers), policy])
  await primary.line('primary')
  return primary
}

/** What several connections are answered. */
async function answers(path: string, count: number): Promise<string[]> {
  const clients = await Promise.all(Array.from({ length: count }, () => FastCgiClient.connect(path)))
  const given = await Promise.all(clients.map((client) => ask(client, '/', false)))
  for (const client of clients) await client.destroy()
  return given
}

function visible(directory: string): string[] {
  return readdirSync(directory).filter((name) => !name.startsWith('.'))
}

async function kill(primary: Child): Promise<void> {
  primary.process.kill('SIGKILL')
  await primary.ended
}

describe.each(['rr', 'none'])('workers of a cluster (%s)', (policy) => {
  it('listen on one socket, leave it to each other, and the last one removes it', () => inDirectory(async (directory) => {
    const path = join(directory, 'app.sock')
    const primary = await startCluster({ socket: path, mode: 0o600 }, 2, policy)
    try {
      for (const id of [1, 2]) expect(await primary.line(`worker ${String(id)}`)).toBe(`worker ${String(id)} listening ${path}`)
      expect(statSync(path).mode & 0o777).toBe(0o600)
      for (const answer of await answers(path, 6)) expect(answer).toMatch(/^200 worker [12]$/)
      primary.process.kill('SIGUSR2')
      expect(await primary.line('worker 3')).toBe(`worker 3 listening ${path}`)
      for (const answer of await answers(path, 6)) expect(answer).toMatch(/^200 worker [123]$/)
      primary.process.kill('SIGTERM')
      expect(await primary.ended).toMatchObject({ code: 0, stderr: '' })
      expect(primary.lines).toContain(NO_WORKERS_LEFT)
      expect(readdirSync(directory)).toEqual([])
    } finally {
      await kill(primary)
    }
  }))

  it('take a stale file over, and not a live one', () => inDirectory(async (directory) => {
    const path = join(directory, 'app.sock')
    const killed = startProgram('programs/app.js', [JSON.stringify({ socket: path })])
    await killed.line('listening')
    killed.process.kill('SIGKILL')
    await killed.ended
    const first = await startCluster({ socket: path }, 2, policy)
    try {
      for (const id of [1, 2]) expect(await first.line(`worker ${String(id)}`)).toBe(`worker ${String(id)} listening ${path}`)
      const late = await startCluster({ socket: path }, 1, policy)
      expect(await late.line('worker 1')).toMatch(/^worker 1 failed EADDRINUSE /)
      await kill(late)
      expect(await answers(path, 3)).toHaveLength(3)
    } finally {
      await kill(first)
    }
  }))

  it('replace another cluster\'s socket, which that leaves alone when it ends', () => inDirectory(async (directory) => {
    const path = join(directory, 'app.sock')
    const old = await startCluster({ socket: path, replace: true }, 2, policy)
    for (const id of [1, 2]) await old.line(`worker ${String(id)} listening`)
    const before = statSync(path).ino
    const successor = await startCluster({ socket: path, replace: true }, 2, policy)
    try {
      for (const id of [1, 2]) await successor.line(`worker ${String(id)} listening`)
      const after = statSync(path).ino
      expect(after).not.toBe(before)
      old.process.kill('SIGTERM')
      expect(await old.ended).toMatchObject({ code: 0, stderr: '' })
      expect(statSync(path).ino).toBe(after)
      for (const answer of await answers(path, 4)) expect(answer).toMatch(/^200 worker [12]$/)
      expect(visible(directory)).toEqual(['app.sock'])
    } finally {
      await kill(old)
      await kill(successor)
    }
  }))

  it('begin anew where a killed cluster of the same number has left its files', () => inDirectory(async (directory) => {
    const path = join(directory, 'app.sock')
    // The directory by which the workers of a cluster know their socket, as it is left behind.
    const primary = await startCluster({ socket: path }, 0, policy)
    const leftover = join(directory, `.fcgi-${String(primary.process.pid)}-cluster`)
    mkdirSync(leftover)
    const dead = startProgram('programs/app.js', [JSON.stringify({ socket: join(leftover, 'app.sock') })])
    await dead.line('listening')
    dead.process.kill('SIGKILL')
    await dead.ended
    try {
      primary.process.kill('SIGUSR2')
      expect(await primary.line('worker 1')).toBe(`worker 1 listening ${path}`)
      primary.process.kill('SIGUSR2')
      expect(await primary.line('worker 2')).toBe(`worker 2 listening ${path}`)
      expect(await answers(path, 3)).toHaveLength(3)
    } finally {
      await kill(primary)
    }
  }))
})
