/** The accept queue, read of real sockets of processes that listen and do not accept. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createBacklogReader } from '../../lib/process/accept-backlog.js'
import { start, type Child } from '../process/support.js'

/** Binds, listens, tells the port, accepts one connection for each line that it reads. */
const LISTENER = `
import socket, sys
path, backlog = sys.argv[1], int(sys.argv[2])
if path.isdigit():
  s = socket.socket(socket.AF_INET6 if path == '6' else socket.AF_INET)
  s.bind(('::1' if path == '6' else '127.0.0.1', 0))
else:
  s = socket.socket(socket.AF_UNIX)
  s.bind(path)
s.listen(backlog)
print('port', s.getsockname()[1] if path.isdigit() else 0, flush=True)
kept = []
for line in sys.stdin:
  kept.append(s.accept())
  print('accepted', len(kept), flush=True)
`

const SOMAXCONN = Number(readFileSync('/proc/sys/net/core/somaxconn', 'utf8'))

describe('the accept queue', () => {
  let directory: string
  let path: string
  let child: Child
  const sockets: Socket[] = []

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'er-'))
    path = join(directory, 'app with a space.sock')
  })
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy()
    child.process.kill('SIGKILL')
    await child.ended
    rmSync(directory, { recursive: true, force: true })
  })

  async function listen(where: string, backlog: number): Promise<number> {
    child = start('python3', ['-c', LISTENER, where, String(backlog)], { stdio: ['pipe', 'pipe', 'pipe'] })
    return Number((await child.line('port')).slice('port '.length))
  }

  async function connectTo(where: { path: string } | { port: number, host: string }, count: number): Promise<void> {
    for (let number = 0; number < count; number++) {
      const socket = connect(where).on('error', () => undefined)
      sockets.push(socket)
      await once(socket, 'connect')
    }
  }

  it('of a Unix socket has the connections that wait, and none that was accepted', async () => {
    await listen(path, 64)
    expect(createBacklogReader({ path }, 64)()).toEqual({ waiting: 0, limit: Math.min(64, SOMAXCONN) })
    await connectTo({ path }, 3)
    expect(createBacklogReader({ path }, 64)()?.waiting).toBe(3)
    child.process.stdin?.write('\n')
    await child.line('accepted 1')
    expect(createBacklogReader({ path }, 64)()?.waiting).toBe(2)
    expect(createBacklogReader({ path: path.slice(1) }, 64)()).toBeUndefined()
  })

  it('goes by the path that the socket was bound to, whatever it is called now', async () => {
    await listen(path, 64)
    const name = join(directory, 'renamed.sock')
    renameSync(path, name)
    await connectTo({ path: name }, 2)
    expect(createBacklogReader({ path }, 64)()?.waiting).toBe(2)
    expect(createBacklogReader({ path: name }, 64)()).toBeUndefined()
  })

  it.each([['IPv4', '4', '127.0.0.1'], ['IPv6', '6', '::1']])('of a TCP socket has them, too: %s', async (_, family, host) => {
    const port = await listen(family, 64)
    await connectTo({ port, host }, 3)
    expect(createBacklogReader({ port }, 64)()).toEqual({ waiting: 3, limit: Math.min(64, SOMAXCONN) })
    child.process.stdin?.write('\n')
    await child.line('accepted 1')
    expect(createBacklogReader({ port }, 64)()?.waiting).toBe(2)
  })

  it('is bounded by the kernel, read once a second, and not known where nothing listens', async () => {
    await listen(path, 1_000_000)
    const read = createBacklogReader({ path }, 1_000_000)
    expect(read()).toEqual({ waiting: 0, limit: SOMAXCONN })
    await connectTo({ path }, 1)
    const seen = read()
    expect(seen).toBe(read())
    child.process.kill('SIGKILL')
    await child.ended
    expect(createBacklogReader({ path }, 1)()).toBeUndefined()
    expect(createBacklogReader({ port: 1 }, 1)()).toBeUndefined()
  })
})
