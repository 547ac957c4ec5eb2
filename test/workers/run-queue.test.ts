/** The order in which a worker gives requests to the app. A burst of calls is a turn of the event loop that reads several connections. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { IncomingMessage, ServerResponse, type RequestListener } from 'node:http'
import { Socket } from 'node:net'
import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises'
import { expect, it } from '@jest/globals'
import { RunQueue } from '../../lib/workers/run-queue.js'

function request(url: string): [IncomingMessage, ServerResponse] {
  const made = new IncomingMessage(new Socket())
  made.url = url
  return [made, new ServerResponse(made)]
}

function workFor(milliseconds: number): void {
  const end = performance.now() + milliseconds
  while (performance.now() < end);
}

/** An app that works for so long, and tells which requests it has had. */
function app(milliseconds: number): { listener: RequestListener, had: string[] } {
  const had: string[] = []
  return { had, listener: ({ url }) => {
    had.push(url ?? '')
    workFor(milliseconds)
  } }
}

async function untilLength(list: readonly unknown[], length: number): Promise<void> {
  while (list.length < length) await nextTurn()
}

/** The event loop has nothing to do for a moment. */
const pause = (): Promise<void> => delay(5)

it('gives an app of quick handlers each request at once', async () => {
  const { listener: quick, had } = app(0)
  const { listener } = new RunQueue(quick)
  // Another process may take the processor in the middle of a burst, but not each time.
  const seen: string[] = []
  for (let burst = 0; burst < 20; burst++) {
    await pause()
    had.length = 0
    for (const url of ['/1', '/2', '/3']) listener(...request(url))
    seen.push(had.join(' '))
  }
  expect(seen).toContain('/1 /2 /3')
})

it('lets the event loop turn between long requests that came together, and runs them in order', async () => {
  const { listener: slow, had } = app(2)
  const queue = new RunQueue(slow)
  const { listener } = queue
  await pause()
  for (const url of ['/1', '/2', '/3']) listener(...request(url))
  expect(had).toEqual(['/1'])
  await nextTurn()
  expect(had).toEqual(['/1', '/2'])
  listener(...request('/4'))
  await untilLength(had, 4)
  expect(had).toEqual(['/1', '/2', '/3', '/4'])
  expect(queue.meanWaiting()).toBeGreaterThan(0)
  expect(queue.meanWaiting()).toBe(0)
})

it('runs a request at once again when all that waited are over', async () => {
  const { listener: slow, had } = app(2)
  const { listener } = new RunQueue(slow)
  await pause()
  for (const url of ['/1', '/2']) listener(...request(url))
  await untilLength(had, 2)
  await pause()
  listener(...request('/3'))
  expect(had).toEqual(['/1', '/2', '/3'])
})

it('runs hundreds of quick ones that wait for a long one in far fewer turns', async () => {
  const had: string[] = []
  const { listener } = new RunQueue(({ url }) => {
    had.push(url ?? '')
    if (url === '/long') workFor(5)
  })
  await pause()
  listener(...request('/long'))
  for (let count = 0; count < 400; count++) listener(...request('/quick'))
  expect(had).toEqual(['/long'])
  let turns = 0
  for (; had.length < 401; turns++) await nextTurn()
  expect(turns).toBeLessThan(200)
})

it('runs each in the asynchronous context that it came in', async () => {
  const storage = new AsyncLocalStorage<string>()
  const contexts: (string | undefined)[] = []
  const { listener } = new RunQueue(() => {
    contexts.push(storage.getStore())
    workFor(2)
  })
  await pause()
  for (const name of ['one', 'two', 'three']) {
    storage.run(name, () => {
      listener(...request('/'))
    })
  }
  await untilLength(contexts, 3)
  expect(contexts).toEqual(['one', 'two', 'three'])
})

it('does not run what its client has given up while it waited', async () => {
  const { listener: slow, had } = app(2)
  const { listener } = new RunQueue(slow)
  await pause()
  const [given, response] = request('/gone')
  listener(...request('/1'))
  listener(given, response)
  listener(...request('/3'))
  response.destroy()
  await untilLength(had, 2)
  expect(had).toEqual(['/1', '/3'])
})

it('runs those that wait without a turn between them where new ones are left to others', async () => {
  const { listener: slow, had } = app(2)
  const queue = new RunQueue(slow)
  const { listener } = queue
  await pause()
  for (const url of ['/1', '/2', '/3', '/4']) listener(...request(url))
  queue.leaveNewToOthers()
  await nextTurn()
  expect(had).toEqual(['/1', '/2', '/3', '/4'])
  // Only this once.
  for (const url of ['/5', '/6', '/7']) listener(...request(url))
  const before = had.length
  await nextTurn()
  expect(had.length).toBeLessThan(before + 3)
  await untilLength(had, 7)
  expect(had.slice(4)).toEqual(['/5', '/6', '/7'])
})

it('does not keep the event loop from signals and messages for long', async () => {
  const { listener: slow, had } = app(150)
  const queue = new RunQueue(slow)
  const { listener } = queue
  await pause()
  for (const url of ['/1', '/2', '/3', '/4', '/5', '/6']) listener(...request(url))
  queue.leaveNewToOthers()
  await nextTurn()
  expect(had.length).toBeLessThan(4)
  await untilLength(had, 6)
  expect(had).toEqual(['/1', '/2', '/3', '/4', '/5', '/6'])
})

it('has nothing to run where nothing waits', async () => {
  const { listener: slow, had } = app(2)
  const queue = new RunQueue(slow)
  queue.leaveNewToOthers()
  await pause()
  queue.listener(...request('/1'))
  expect(had).toEqual(['/1'])
})
