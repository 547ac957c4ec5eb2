/** Peers that try to make the server hold much: none makes it grow. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { encodePairs } from '../../lib/fastcgi/params.js'
import { encodeBeginRequest, encodeRecord, encodeStream, RecordType, Role } from '../../lib/fastcgi/record.js'
import { encodeRequest, FastCgiClient } from '../support/fastcgi-client.js'
import { nginxParams } from '../support/nginx-params.js'
import { ServerProcess } from './support/server-process.js'

const MiB = 1024 ** 2

let victim: ServerProcess
let before: { heapUsed: number; arrayBuffers: number }
const peers: FastCgiClient[] = []

beforeEach(async () => {
  victim = await ServerProcess.start()
  await expectInnocent()
  before = await victim.report()
})

afterEach(async () => {
  await Promise.all(peers.splice(0).map((peer) => peer.destroy()))
  await victim.stop()
})

async function connect(): Promise<FastCgiClient> {
  const peer = await FastCgiClient.connect(victim.path)
  peers.push(peer)
  return peer
}

async function expectInnocent(): Promise<void> {
  const client = await FastCgiClient.connect(victim.path)
  const response = await client.request({ params: nginxParams({ url: '/innocent' }) })
  expect([response.status, response.body.toString()]).toEqual([200, 'innocent'])
  await client.destroy()
}

/**
 * What the server holds beyond what it held before, in MiB: the least of some reports, because what it has only
 * just let go of, or is still about to read, is no growth.
 */
async function growth(): Promise<number> {
  let least = Infinity
  for (let i = 0; i < 8; i++) {
    const { heapUsed, arrayBuffers } = await victim.report()
    least = Math.min(least, heapUsed + arrayBuffers)
  }
  return (least - before.heapUsed - before.arrayBuffers) / MiB
}

/** Writes as fast as the peer takes it, until it closes or stops to take it. */
async function pour(peer: FastCgiClient, bytes: Buffer): Promise<void> {
  if (peer.socket.destroyed || peer.ended || peer.socket.write(bytes)) return
  await new Promise<void>((resolve) => {
    const settle = (): void => {
      peer.socket.off('drain', settle).off('close', settle)
      resolve()
    }
    peer.socket.on('drain', settle).on('close', settle)
  })
}

describe('one connection', () => {
  it('60,000 open BEGIN_REQUEST', async () => {
    const peer = await connect()
    const begins = Array.from({ length: 60_000 }, (_nothing, i) => encodeBeginRequest(i + 1, { role: Role.RESPONDER, keepConnection: true }))
    await pour(peer, Buffer.concat(begins))
    await expectInnocent()
    expect(await growth()).toBeLessThan(4)
  })
  it('60,000 requests that are answered, whose STDIN never ends', async () => {
    const peer = await connect()
    const params = encodePairs(nginxParams({ url: '/innocent', method: 'POST', headers: { 'X-Pad': 'p'.repeat(1000) } }))
    for (let id = 1; id <= 60_000 && !peer.ended; id += 100) {
      const requests = Array.from({ length: 100 }, (_nothing, i) =>
        Buffer.concat([
          encodeBeginRequest(id + i, { role: Role.RESPONDER, keepConnection: true }),
          encodeRecord(RecordType.PARAMS, id + i, params),
          encodeRecord(RecordType.PARAMS, id + i),
        ]),
      )
      await pour(peer, Buffer.concat(requests))
      peer.records.length = 0
    }
    await expectInnocent()
    expect(await growth()).toBeLessThan(8)
  })
  it('headers whose names are new in every request', async () => {
    const peer = await connect()
    for (let i = 0; i < 400; i++) {
      const names = Array.from({ length: 800 }, (_nothing, j) => [`HTTP_M${String(i)}_${String(j)}`, 'v'.repeat(20)] as [string, string])
      const params = [...nginxParams({ url: '/innocent' }), ...names]
      expect((await peer.request({ params })).status).toBe(200)
      peer.records.length = 0
    }
    expect(await growth()).toBeLessThan(4)
  })
  it('150 MB of PARAMS in one request', async () => {
    const peer = await connect()
    await peer.begin(1)
    const record = encodeRecord(RecordType.PARAMS, 1, Buffer.alloc(65_528, 1))
    for (let i = 0; i < 2300; i++) await pour(peer, record)
    await expectInnocent()
    expect(await growth()).toBeLessThan(4)
  })
  it('PARAMS up to the limit of as many requests as may be open', async () => {
    const peer = await connect()
    for (let id = 1; id <= 100; id++) {
      await peer.begin(id)
      await pour(peer, encodeStream(RecordType.PARAMS, id, Buffer.alloc(131_000, 1)))
    }
    await expectInnocent()
    expect(await growth()).toBeLessThan(20)
  })
  it('PARAMS in records of one octet', async () => {
    const peer = await connect()
    for (let id = 1; id <= 10; id++) {
      await peer.begin(id)
      await pour(peer, Buffer.concat(Array.from({ length: 60_000 }, () => encodeRecord(RecordType.PARAMS, id, Buffer.of(1)))))
    }
    await expectInnocent()
    expect(await growth()).toBeLessThan(4)
  })
  it('a body that nobody reads, in records of any size', async () => {
    const peer = await connect()
    await peer.begin(1)
    await peer.params(1, nginxParams({ url: '/pause', method: 'POST' }))
    const record = encodeRecord(RecordType.STDIN, 1, Buffer.alloc(65_528, 1))
    let sent = 0
    while (sent < 100 * MiB && peer.socket.write(record)) sent += record.length
    await expectInnocent()
    expect(await growth()).toBeLessThan(4)
  })
  it('a body that nobody reads, on a request that is not alone', async () => {
    const peer = await connect()
    for (const id of [1, 2]) {
      await peer.begin(id)
      await peer.params(id, nginxParams({ url: '/pause', method: 'POST' }))
    }
    const record = encodeRecord(RecordType.STDIN, 1, Buffer.alloc(1000, 1))
    let sent = 0
    while (sent < 20 * MiB && peer.socket.write(record)) sent += record.length
    await expectInnocent()
    expect(await growth()).toBeLessThan(4)
  })
  it('management records of 64 kB that never become whole', async () => {
    for (let i = 0; i < 50; i++) {
      const peer = await connect()
      await pour(peer, encodeRecord(RecordType.GET_VALUES, 0, Buffer.alloc(65_528)).subarray(0, 65_000))
    }
    await expectInnocent()
    expect(await growth()).toBeLessThan(6)
  })
  it('2,000 aborted requests leave nothing', async () => {
    const peer = await connect()
    for (let i = 1; i <= 2000; i++) {
      peer.expect(i)
      await peer.send(encodeRequest({ requestId: i, params: nginxParams({ url: '/never' }) }), encodeRecord(RecordType.ABORT_REQUEST, i))
      await peer.collect(i)
      peer.records.length = 0
    }
    expect(await growth()).toBeLessThan(3)
  })
})

describe('many connections', () => {
  it('5,000 that come and go in the middle of something leave nothing', async () => {
    const bytes = encodeRequest({ requestId: 1, params: nginxParams({ url: '/echo', method: 'POST' }), body: 'x'.repeat(200) })
    for (let i = 0; i < 5000; i += 50) {
      const batch = await Promise.all(Array.from({ length: 50 }, () => FastCgiClient.connect(victim.path)))
      batch.forEach((peer, index) => {
        peer.expect(1)
        peer.socket.end(bytes.subarray(0, ((i + index) * 7) % bytes.length))
      })
      await Promise.all(batch.map((peer) => peer.whenClosed()))
    }
    await expectInnocent()
    let report = await victim.report()
    while (report.connections > 0) report = await victim.report()
    expect(await growth()).toBeLessThan(4)
  })
  it('more than the limit are turned away, and those that wait cost little', async () => {
    const held = await Promise.all(Array.from({ length: 500 }, () => connect()))
    expect(await growth()).toBeLessThan(500 * 0.008)
    await Promise.all(held.map((peer) => peer.destroy()))
  })
})
