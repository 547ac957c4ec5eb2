/** Answers in time, and too late. */
import { once } from 'node:events'
import net from 'node:net'
import { expect, it } from '@jest/globals'
import { withTimeout } from '../../../middleware/rate-limit/fallback-store.js'
import { close, listen, portOf } from '../../support/http.js'

it('an answer that came in time, while the process was busy, is in time', async () => {
  const server = await listen(net.createServer())
  const client = net.connect(portOf(server), '127.0.0.1')
  const [[socket]] = await Promise.all([once(server, 'connection') as Promise<[net.Socket]>, once(client, 'connect')])
  const answered = withTimeout(5, once(client, 'data'))
  // The kernel has it at once, and the process can read it only after the timer.
  socket.write('answer')
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50)
  expect(String(await answered)).toBe('answer')
  client.destroy()
  socket.destroy()
  await close(server)
})

it('none in time is an error; that it comes late is told', async () => {
  let answer = (): void => undefined
  const given = new Promise<void>((resolve) => { answer = resolve })
  let outcome: Promise<void> | undefined
  const told = new Promise<void>((resolve) => { outcome = withTimeout(5, given, resolve) })
  await expect(outcome).rejects.toThrow('no answer within 5 ms')
  answer()
  await told
})

it('an error is that error, and is not told as an answer', async () => {
  const late = (): void => { throw new Error('not late') }
  await expect(withTimeout(5, Promise.reject(new Error('its own')), late)).rejects.toThrow('its own')
})
