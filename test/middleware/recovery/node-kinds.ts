/** Failures in the callbacks and listeners of Node's modules, each brought about before the response has begun. */
import { execFile, exec, fork, spawn } from 'node:child_process'
import crypto from 'node:crypto'
import dgram from 'node:dgram'
import { channel, subscribe, unsubscribe } from 'node:diagnostics_channel'
import dns from 'node:dns'
import { EventEmitter, on, once } from 'node:events'
import fs from 'node:fs'
import http from 'node:http'
import http2 from 'node:http2'
import https from 'node:https'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PerformanceObserver, performance } from 'node:perf_hooks'
import readline from 'node:readline'
import { Duplex, finished, PassThrough, pipeline, Readable, Transform, Writable } from 'node:stream'
import timersPromises from 'node:timers/promises'
import tls from 'node:tls'
import { fileURLToPath } from 'node:url'
import { callbackify, promisify } from 'node:util'
import vm from 'node:vm'
import { BroadcastChannel, MessageChannel, Worker } from 'node:worker_threads'
import zlib from 'node:zlib'
import type { Kind, Scene } from './kinds.js'
import { SHARED_KEY, type Peers } from './peers.js'

const fail = (): never => {
  throw new Error('by intention')
}

/** A function that fails each time. Before that it calls `again`, and the third time `end`. */
function thrice(end: () => void, again: () => void = () => undefined): () => never {
  let left = 3
  return () => {
    left--
    if (left === 0) end()
    else again()
    return fail()
  }
}

/** What is called as a tick shows by its stack, and by its resource, what that tick came after. */
const TICK = ['tick', 'timer', 'immediate', 'callback'] as const

const EARLY = ['before-headers'] as const
type Reported = Kind['reported']

function kind(reported: Reported, trigger: (scene: Scene & { peers: Peers }) => unknown, more: Partial<Kind> = {}): Kind {
  return { reported, phases: EARLY, ...more, trigger: (scene) => { void trigger(scene) } }
}
const callback = (trigger: (scene: Scene) => unknown): Kind => kind('callback', trigger)
const tick = (trigger: (scene: Scene) => unknown): Kind => kind(TICK, trigger)
const rejection = (trigger: (scene: Scene) => unknown, more: Partial<Kind> = {}): Kind => kind('rejection', trigger, more)
const listener = (trigger: (scene: Scene) => unknown): Kind => kind('emitter', trigger)
/** A resource that fails three times in one request. */
const repeated = (reported: Reported, trigger: (scene: Scene) => unknown): Kind => kind(reported, trigger, { times: 3 })

/** Waits for the first thing that an iterable gives. */
async function firstOf(iterable: AsyncIterable<unknown>): Promise<void> {
  await iterable[Symbol.asyncIterator]().next()
}

/** An async function that fails, for where a listener is wanted that returns nothing. */
const failLater = (async () => {
  await Promise.resolve()
  fail()
}) as () => void

const HERE = fileURLToPath(import.meta.url)
const nowhere = (): string => join(tmpdir(), `recovery-${String(process.pid)}-${String(performance.now())}`)
const socketOf = ({ peers }: Scene): net.Socket => net.connect(peers.echo, '127.0.0.1').on('error', () => undefined)
const requestOf = ({ peers }: Scene, path = '/'): http.ClientRequest => http.get({ port: peers.http, host: '127.0.0.1', path, agent: false })
const secureRequestOf = ({ tls: port }: Peers): http.ClientRequest => ignoring(https.request({ ...SHARED_KEY, port, method: 'POST', agent: false }))
const ignoring = <Emitter extends EventEmitter>(emitter: Emitter): Emitter => emitter.on('error', () => undefined)
const workerOf = (code: string): Worker => new Worker(`const { parentPort } = require('node:worker_threads'); ${code}`, { eval: true })

export const TIMER_KINDS: Readonly<Record<string, Kind>> = {
  'timer that is refreshed': repeated('timer', () => {
    let left = 3
    const timer = setTimeout(() => {
      if (--left > 0) timer.refresh()
      fail()
    }, 1)
  }),
  'timer of a timer': kind('timer', () => setTimeout(() => setTimeout(fail, 1), 1)),
  'timers/promises': rejection(() => timersPromises.setTimeout(1).then(fail)),
  'timers/promises setInterval': rejection(async () => {
    await firstOf(timersPromises.setInterval(1))
    fail()
  }),
  'immediate of a tick': kind('immediate', () => { process.nextTick(() => setImmediate(fail)) }),
  'async function': rejection(failLater),
  'async function after a timer': rejection(async () => {
    await timersPromises.setTimeout(1)
    fail()
  }),
  'Promise executor': rejection(() => { void new Promise(fail) }),
  'Promise.all': rejection(() => { void Promise.all([timersPromises.setTimeout(1).then(fail), timersPromises.setTimeout(2)]) }),
  'thenable': rejection(() => { void Promise.resolve({ then: fail }) }),
  'async generator': rejection(() => {
    const generate = async function* (): AsyncGenerator<never> {
      await timersPromises.setTimeout(1)
      yield fail()
    }
    void generate().next()
  }),
  'util.promisify': rejection(() => { void promisify(fs.stat)(nowhere()) }),
  'util.callbackify': kind(TICK, () => { callbackify(() => timersPromises.setTimeout(1))(fail) }),
  'import()': rejection(() => { void import(nowhere()) }),
  'structured error of another realm': kind('timer', () => { vm.runInNewContext('setTimeout(() => { throw new Error("by intention") }, 1)', { setTimeout }) }),
  'WebAssembly': rejection(() => { void vm.runInThisContext('WebAssembly.compile(new Uint8Array(1))') }, {
    says: 'CompileError',
    impossible: 'V8 rejects the promise from a thread of its own, and Node has no context there.',
    impossibleOn: [24, 26],
  }),
}

export const FILE_KINDS: Readonly<Record<string, Kind>> = {
  'fs.stat': callback(() => { fs.stat('/', fail) }),
  'fs.open': callback(() => { fs.open('/dev/null', (_error, file) => { fs.closeSync(file); fail() }) }),
  'fs.access': callback(() => { fs.access('/', fail) }),
  'fs.readlink': callback(() => { fs.readlink('/', fail) }),
  'fs.readdir': callback(() => { fs.readdir('/proc/self', fail) }),
  'fs.realpath': tick(() => { fs.realpath('/', fail) }),
  'fs.writeFile': callback(() => { fs.writeFile('/dev/null', 'x', fail) }),
  'fs.copyFile': callback(() => { fs.copyFile(nowhere(), nowhere(), fail) }),
  'fs.rm': callback(() => { fs.rm(nowhere(), { force: true }, fail) }),
  'fs.cp': tick(() => { fs.cp(nowhere(), nowhere(), { recursive: true }, fail) }),
  'fs.opendir': callback(() => { fs.opendir('/proc/self', fail) }),
  'fs.statfs': callback(() => { fs.statfs('/', fail) }),
  'fs.promises': rejection(() => { void fs.promises.stat(nowhere()) }),
  'fs.watch': kind('emitter', () => {
    const directory = fs.mkdtempSync(`${nowhere()}-`)
    const watcher = fs.watch(directory, () => {
      watcher.close()
      fs.rmSync(directory, { recursive: true, force: true })
      fail()
    })
    setTimeout(() => { fs.writeFileSync(join(directory, 'a'), '') }, 5)
  }),
  'fs.watch that goes on': repeated('emitter', () => {
    const directory = fs.mkdtempSync(`${nowhere()}-`)
    const watcher = fs.watch(directory)
    watcher.on('change', thrice(() => {
      watcher.close()
      fs.rmSync(directory, { recursive: true, force: true })
    }))
    for (const [index, name] of ['a', 'b', 'c'].entries()) setTimeout(() => { fs.mkdirSync(join(directory, name)) }, 5 + 10 * index)
  }),
  'fs.watchFile': kind('emitter', () => {
    const file = nowhere()
    fs.watchFile(file, { interval: 5 }, () => {
      fs.unwatchFile(file)
      fail()
    })
  }),
  "file stream 'open'": listener(() => { fs.createReadStream('/dev/null').on('open', fail) }),
  "file stream 'error'": listener(() => { fs.createReadStream(nowhere()).on('error', fail) }),
  "file stream 'close'": listener(() => { fs.createReadStream('/dev/null').on('close', fail).resume() }),
  "unheard 'error' of a file stream": listener(() => { fs.createReadStream(nowhere()) }),
  "file stream 'finish'": listener(() => { fs.createWriteStream('/dev/null').on('finish', fail).end('x') }),
  'file stream iterated': rejection(async () => {
    await firstOf(fs.createReadStream('/proc/self/stat'))
    fail()
  }),
  'readline': repeated('emitter', () => {
    const lines = readline.createInterface({ input: Readable.from(['a\n', 'b\n', 'c\n']) })
    lines.on('line', thrice(() => { lines.close() }))
  }),
}

export const STREAM_KINDS: Readonly<Record<string, Kind>> = {
  "stream's read()": kind(TICK, () => { new Readable({ read: fail }).on('error', () => fail()).resume() }, { reported: 'emitter' }),
  "stream's write()": kind(TICK, () => { process.nextTick(() => new Writable({ write: fail }).write('x')) }),
  "stream's transform()": kind(TICK, () => { process.nextTick(() => new Transform({ transform: fail }).write('x')) }),
  "stream's 'end'": listener(() => { Readable.from(['x']).on('end', fail).resume() }),
  "stream's 'finish'": listener(() => { new PassThrough().on('finish', fail).end() }),
  "stream's 'close'": listener(() => { new PassThrough().on('close', fail).destroy() }),
  "unheard 'error' of a stream": listener(() => { new PassThrough().destroy(new Error('by intention')) }),
  "stream's 'data' three times": repeated('emitter', () => {
    const stream = new Readable({ read: () => undefined }).on('data', fail)
    for (const wait of [1, 10, 20]) setTimeout(() => stream.push('x'), wait)
  }),
  'stream.pipeline()': tick(() => { pipeline(Readable.from(['x']), new PassThrough().resume(), fail) }),
  'stream.finished()': listener(() => { finished(Readable.from(['x']).resume(), fail) }),
  'Duplex.from()': rejection(async () => {
    await firstOf(Duplex.from(Readable.from(['x'])))
    fail()
  }),
  'ReadableStream': rejection(() => { void new ReadableStream({ pull: fail }).getReader().read() }),
  'WritableStream': rejection(() => { void new WritableStream({ write: fail }).getWriter().write('x') }),
  'Blob': rejection(() => { void new Blob(['x']).text().then(fail) }),
  'CompressionStream': rejection(() => {
    const stream = new CompressionStream('gzip')
    void stream.readable.getReader().read().then(fail)
    void stream.writable.getWriter().close()
  }),
  'zlib.gzip': listener(() => { zlib.gzip('x', fail) }),
  'zlib.gunzip': listener(() => { zlib.gunzip('x', fail) }),
  'zlib.brotliCompress': listener(() => { zlib.brotliCompress('x', fail) }),
  "gzip stream's 'data'": listener(() => { zlib.createGzip().on('data', fail).end('x') }),
  'zlib flush': kind('callback', () => { const gzip = zlib.createGzip(); gzip.write('x'); gzip.flush(fail) }),
  'crypto.randomBytes': callback(() => { crypto.randomBytes(8, fail) }),
  'crypto.randomFill': callback(() => { crypto.randomFill(Buffer.alloc(8), fail) }),
  'crypto.randomInt': tick(() => { crypto.randomInt(2 ** 40, fail) }),
  'crypto.pbkdf2': callback(() => { crypto.pbkdf2('a', 'b', 1, 8, 'sha256', fail) }),
  'crypto.scrypt': callback(() => { crypto.scrypt('a', 'b', 8, { N: 2 }, fail) }),
  'crypto.hkdf': callback(() => { crypto.hkdf('sha256', 'a', 'b', 'c', 8, fail) }),
  'crypto.generateKeyPair': callback(() => { crypto.generateKeyPair('ed25519', {}, fail) }),
  'crypto.generateKey': callback(() => { crypto.generateKey('aes', { length: 128 }, fail) }),
  'crypto.checkPrime': callback(() => { crypto.checkPrime(7n, fail) }),
  'crypto.sign': callback(() => { crypto.sign(null, Buffer.from('x'), crypto.generateKeyPairSync('ed25519').privateKey, fail) }),
  'crypto.subtle': rejection(() => { void crypto.subtle.digest('no such digest', Buffer.from('x')) }),
}

export const NETWORK_KINDS: Readonly<Record<string, Kind>> = {
  'dns.lookup': callback(() => { dns.lookup('localhost', fail) }),
  'dns.lookup of an address': kind(TICK, () => { dns.lookup('127.0.0.1', fail) }),
  'dns.lookupService': callback(() => { dns.lookupService('127.0.0.1', 22, fail) }),
  'dns.resolve4': callback(() => { dns.resolve4('a.invalid', fail) }),
  'dns.resolve6': callback(() => { dns.resolve6('a.invalid', fail) }),
  'dns.resolveMx': callback(() => { dns.resolveMx('a.invalid', fail) }),
  'dns.resolveTxt': callback(() => { dns.resolveTxt('a.invalid', fail) }),
  'dns.resolveSrv': callback(() => { dns.resolveSrv('a.invalid', fail) }),
  'dns.resolveAny': callback(() => { dns.resolveAny('a.invalid', fail) }),
  'dns.resolve': callback(() => { dns.resolve('a.invalid', fail) }),
  'dns.reverse': callback(() => { dns.reverse('192.0.2.1', fail) }),
  'dns.Resolver': callback(() => {
    const resolver = new dns.Resolver()
    resolver.setServers(['127.0.0.1:9'])
    resolver.resolveNs('a.invalid', fail)
  }),
  'dns.Resolver cancelled': callback(() => {
    const resolver = new dns.Resolver()
    resolver.resolveCname('a.invalid', fail)
    resolver.cancel()
  }),
  'dns.promises': rejection(() => { void dns.promises.resolve4('a.invalid') }),
  "socket 'connect'": listener((scene) => { const socket = socketOf(scene).on('connect', () => { socket.destroy(); fail() }) }),
  "socket 'data'": repeated('emitter', (scene) => {
    const socket = socketOf(scene)
    socket.on('data', thrice(() => socket.destroy(), () => socket.write('a'))).write('a')
  }),
  "socket 'end'": listener((scene) => { socketOf(scene).on('end', fail).resume().end() }),
  "socket 'close'": listener((scene) => { const socket = socketOf(scene).on('close', fail); socket.on('connect', () => socket.destroy()) }),
  "socket 'timeout'": listener((scene) => { const socket = socketOf(scene).setTimeout(5, () => { socket.destroy(); fail() }) }),
  'socket write': kind(['emitter', 'callback'], (scene) => { const socket = socketOf(scene); socket.write('a', () => { socket.destroy(); fail() }) }),
  "socket's lookup": kind(TICK, ({ peers }) => { setImmediate(() => ignoring(net.connect({ port: peers.echo, host: 'x.invalid', lookup: fail }))) }, { reported: 'immediate' }),
  "unheard 'error' of a socket": listener(() => { net.connect('/nowhere') }),
  'net.Server listening': listener(() => { const server = net.createServer().listen(0, '127.0.0.1', () => { server.close(); fail() }) }),
  'net.Server connection': repeated('emitter', () => {
    const sockets: net.Socket[] = []
    const server = net.createServer(thrice(() => server.close()))
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as net.AddressInfo
      for (let index = 0; index < 3; index++) sockets.push(ignoring(net.connect(port, '127.0.0.1')))
      setTimeout(() => { for (const socket of sockets) socket.destroy() }, 100)
    })
  }),
  'net.Server close': listener(() => { const server = net.createServer().listen(0, () => { server.close(fail) }) }),
  "datagram 'message'": repeated('emitter', ({ peers }) => {
    const socket = dgram.createSocket('udp4')
    socket.on('message', thrice(() => { socket.close() }))
    for (const text of ['a', 'b', 'c']) socket.send(text, peers.udp, '127.0.0.1')
  }),
  'datagram send': tick(({ peers }) => { const socket = dgram.createSocket('udp4'); socket.send('a', peers.udp, '127.0.0.1', () => { socket.close(); fail() }) }),
  "datagram 'listening'": listener(() => { const socket = dgram.createSocket('udp4').bind(0, '127.0.0.1', () => { socket.close(); fail() }) }),
  "datagram 'close'": listener(() => { dgram.createSocket('udp4').on('close', fail).close() }),
  'http.get response': listener((scene) => { ignoring(requestOf(scene)).on('response', (response) => { response.resume(); fail() }) }),
  "http.get 'data'": kind('emitter', (scene) => { requestOf(scene).on('response', (response) => { response.once('data', fail) }) }),
  "http.get 'end'": listener((scene) => { requestOf(scene).on('response', (response) => { response.on('end', fail).resume() }) }),
  "http.get 'socket'": listener((scene) => { const request = ignoring(requestOf(scene)).on('socket', () => { request.destroy(); fail() }) }),
  "http.get 'timeout'": listener((scene) => { const request = ignoring(requestOf(scene, '/silent')); request.setTimeout(5, () => { request.destroy(); fail() }) }),
  "http.get 'close'": listener((scene) => { requestOf(scene).on('close', fail).on('response', (response) => { response.resume() }) }),
  "http.get 'error'": listener(() => { http.get({ socketPath: '/nowhere', agent: false }).on('error', fail) }),
  "http.get 'information'": listener((scene) => { ignoring(requestOf(scene, '/hints')).on('information', fail) }),
  "unheard 'error' of http.get": listener(() => { http.get({ socketPath: '/nowhere', agent: false }) }),
  'fetch': rejection(() => { void fetch('http://127.0.0.1:9/') }),
  'fetch answered': rejection(({ peers }) => { void fetch(`http://127.0.0.1:${String(peers.http)}/`).then(fail) }),
  'http2 connect': listener(({ peers }) => { const session = http2.connect(`http://127.0.0.1:${String(peers.http2)}`, () => { session.destroy(); fail() }) }),
  "http2 'response'": listener(({ peers }) => {
    const session = http2.connect(`http://127.0.0.1:${String(peers.http2)}`)
    session.request().on('response', () => { session.destroy(); fail() })
  }),
  "http2 'data'": listener(({ peers }) => {
    const session = http2.connect(`http://127.0.0.1:${String(peers.http2)}`)
    session.request().on('data', () => { session.destroy(); fail() })
  }),
  'http2 write': repeated('callback', ({ peers }) => {
    const session = http2.connect(`http://127.0.0.1:${String(peers.http2)}`)
    const written = thrice(() => { session.destroy() })
    for (let index = 0; index < 3; index++) ignoring(session.request({ ':method': 'POST' })).write('x', written)
  }),
  "http2 'drain'": listener(({ peers }) => {
    const session = http2.connect(`http://127.0.0.1:${String(peers.http2)}`)
    const request = ignoring(session.request({ ':method': 'POST' })).on('drain', () => { session.destroy(); fail() })
    setTimeout(() => request.write(Buffer.alloc(100_000)), 20)
  }),
  "http2 'wantTrailers'": listener(({ peers }) => {
    const session = http2.connect(`http://127.0.0.1:${String(peers.http2)}`)
    const request = ignoring(session.request({ ':method': 'POST' }, { waitForTrailers: true }))
    request.on('wantTrailers', () => { setImmediate(() => { session.destroy() }); fail() })
    setTimeout(() => { request.end('x') }, 20)
  }),
  'http2 ping': callback(({ peers }) => {
    const session = http2.connect(`http://127.0.0.1:${String(peers.http2)}`)
    session.on('connect', () => { session.ping(() => { session.destroy(); fail() }) })
  }),
  "http2 'close'": listener(({ peers }) => {
    const session = http2.connect(`http://127.0.0.1:${String(peers.http2)}`)
    session.on('close', fail).on('connect', () => { session.close() })
  }),
  "http2 'error'": listener(() => { http2.connect('http://127.0.0.1:9').on('error', fail) }),
  'tls connect': listener(({ peers }) => { const socket = tls.connect({ ...SHARED_KEY, port: peers.tls }, () => { socket.destroy(); fail() }) }),
  'tls write': repeated('callback', ({ peers }) => {
    const socket = tls.connect({ ...SHARED_KEY, port: peers.tls }, () => {
      const written = thrice(() => socket.destroy())
      for (const text of ['a', 'b', 'c']) socket.write(text, written)
    })
  }),
  "tls 'finish'": listener(({ peers }) => { const socket = tls.connect({ ...SHARED_KEY, port: peers.tls }, () => { socket.on('finish', fail).end('a') }) }),
  'tls end': kind(['emitter', 'callback', ...TICK], ({ peers }) => { const socket = tls.connect({ ...SHARED_KEY, port: peers.tls }, () => { socket.end('a', fail) }) }),
  'https.request write': callback(({ peers }) => { const request = secureRequestOf(peers); request.write('a', () => { request.destroy(); fail() }) }),
  "https.request 'finish'": kind(['callback', 'emitter'], ({ peers }) => { const request = secureRequestOf(peers); request.on('finish', () => { request.destroy(); fail() }).end() }),
  "tls 'data'": repeated('emitter', ({ peers }) => {
    const socket = tls.connect({ ...SHARED_KEY, port: peers.tls }, () => { socket.write('a') })
    socket.on('data', thrice(() => socket.destroy(), () => socket.write('a')))
  }),
  "tls 'error'": listener(({ peers }) => { tls.connect({ port: peers.tls }).on('error', fail) }),
}

export const PROCESS_KINDS: Readonly<Record<string, Kind>> = {
  'exec': kind('emitter', () => { exec('true', fail) }),
  'execFile that fails': kind('emitter', () => { execFile('/nowhere', fail) }),
  "child 'spawn'": listener(() => { spawn('true').on('spawn', fail) }),
  "child 'exit'": listener(() => { spawn('true').on('exit', fail) }),
  "child 'close'": listener(() => { spawn('true').on('close', fail) }),
  "child 'error'": listener(() => { spawn('/nowhere').on('error', fail) }),
  "unheard 'error' of a child": listener(() => { spawn('/nowhere') }),
  "child's output": repeated('emitter', () => {
    const child = spawn('cat')
    const write = (): void => { child.stdin.write('x') }
    child.stdout.on('data', thrice(() => child.kill(), write))
    write()
  }),
  "child 'message'": repeated('emitter', () => {
    const child = fork(HERE, ['child'], { execArgv: ['-e', "process.send(1); process.send(2); process.send(3); process.once('message', () => process.disconnect())"] })
    child.on('message', thrice(() => { child.kill() }))
  }),
  'signal': listener(() => { process.once('SIGUSR2', fail); setTimeout(() => { process.kill(process.pid, 'SIGUSR2') }, 5) }),
  "Worker 'message'": repeated('event-target', () => { workerOf('for (const n of [1, 2, 3]) parentPort.postMessage(n)').on('message', fail) }),
  "Worker 'error'": kind('event-target', () => { workerOf('throw new Error("by intention")').on('error', fail) }),
  "Worker 'online'": kind('event-target', () => { workerOf('').on('online', fail) }),
  "Worker 'exit'": listener(() => { workerOf('').on('exit', fail) }),
  "MessagePort 'message'": repeated('event-target', () => {
    const { port1, port2 } = new MessageChannel()
    port1.on('message', thrice(() => { port1.close() }))
    for (const text of ['a', 'b', 'c']) port2.postMessage(text)
  }),
  'BroadcastChannel': kind('event-target', () => {
    const [from, to] = [new BroadcastChannel('recovery'), new BroadcastChannel('recovery')]
    to.onmessage = () => {
      from.close()
      to.close()
      fail()
    }
    from.postMessage('x')
  }),
  'PerformanceObserver': kind('immediate', () => {
    const observer = new PerformanceObserver(() => {
      observer.disconnect()
      fail()
    })
    observer.observe({ entryTypes: ['mark'] })
    performance.mark('recovery')
  }),
  'diagnostics_channel': kind(TICK, () => {
    const subscriber = (): void => {
      unsubscribe('recovery.test', subscriber)
      fail()
    }
    subscribe('recovery.test', subscriber)
    channel('recovery.test').publish({})
  }),
  'events.once': rejection(() => { const emitter = new EventEmitter(); void once(emitter, 'event').then(fail); setImmediate(() => emitter.emit('event')) }),
  'events.on': rejection(async () => {
    const emitter = new EventEmitter()
    setImmediate(() => emitter.emit('event'))
    await firstOf(on(emitter, 'event'))
    fail()
  }),
  'async listener': kind('rejection', () => { const emitter = new EventEmitter().on('event', failLater); setImmediate(() => emitter.emit('event')) }),
  'captureRejections': kind('emitter', () => {
    const emitter = new EventEmitter({ captureRejections: true }).on('event', failLater)
    setImmediate(() => emitter.emit('event'))
  }),
  'emitter that goes on': repeated('emitter', () => {
    const emitter = new EventEmitter().on('event', fail)
    for (let index = 0; index < 3; index++) setImmediate(() => emitter.emit('event'))
  }),
  'AbortSignal': kind('event-target', () => { const controller = new AbortController(); controller.signal.onabort = fail; setImmediate(() => { controller.abort() }) }),
  'AbortSignal.timeout': kind('event-target', () => { AbortSignal.timeout(1).addEventListener('abort', fail) }),
}
