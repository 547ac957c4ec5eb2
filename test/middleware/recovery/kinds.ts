/** The kinds of failure: how each is brought about in a handler, and what is expected of it. */
import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks'
import { execFile } from 'node:child_process'
import dns from 'node:dns'
import { EventEmitter } from 'node:events'
import { readFile, createReadStream } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import net from 'node:net'
import { recovery, type FailureKind } from '../../../middleware/recovery.js'
import { FILE_KINDS, NETWORK_KINDS, PROCESS_KINDS, STREAM_KINDS, TIMER_KINDS } from './node-kinds.js'
import type { Peers } from './peers.js'

/** What a trigger has at hand. */
export interface Scene {
  request: IncomingMessage
  response: ServerResponse
  next: (error?: unknown) => void
  /** Calls a function from where no request is. */
  elsewhere: (fn: () => void) => void
  /** An emitter made where no request is. */
  shared: EventEmitter
  /** The same, given to `recovery.emitter()`. */
  guarded: EventEmitter
  /** Servers to talk to. */
  peers: Peers
}

export interface Kind {
  /** Brings the failure about; its name stands in the message of the error. */
  trigger(scene: Scene): unknown
  /** The kind that is reported, or one of several. */
  reported: FailureKind | readonly FailureKind[]
  /** How often it fails in one request; once by default. */
  times?: number
  /** On Express 4, where that brings it another way. */
  reportedByExpress4?: FailureKind
  /** Needs a request with a body, which comes after the headers. */
  body?: true
  /** The client leaves, so nothing is said of what it sees. */
  leaves?: true
  /** Not in every phase. */
  phases?: readonly Phase[]
  /** Why Node cannot tell whose it is; the process then ends, as it would without recovery(). */
  impossible?: string
  /** What the process says as it ends; what it was told to by default. */
  says?: string
  /** The major versions of Node for which it is impossible; all by default. */
  impossibleOn?: readonly number[]
}

export const PHASES = ['before-headers', 'streaming', 'after-response'] as const
export type Phase = (typeof PHASES)[number]

const fail = (): never => {
  throw new Error('by intention')
}
const failWith = (value: unknown): never => {
  throw value
}
/** Fails three times, each time from the same timer. */
const failingInterval = (): void => {
  let left = 3
  const timer = setInterval(() => {
    left--
    if (left === 0) clearInterval(timer)
    fail()
  }, 1)
}
const EARLY: readonly Phase[] = ['before-headers']
const LATE: readonly Phase[] = ['after-response']

export const KINDS: Readonly<Record<string, Kind>> = {
  'throw': { trigger: fail, reported: 'throw' },
  'next(error)': { trigger: ({ next }) => { next(new Error('by intention')) }, reported: 'throw' },
  'rejected handler': { trigger: () => Promise.reject(new Error('by intention')), reported: 'throw', reportedByExpress4: 'rejection' },
  'timer': { trigger: () => { setTimeout(fail, 1) }, reported: 'timer' },
  'interval': { trigger: () => { const timer = setInterval(() => { clearInterval(timer); fail() }, 1) }, reported: 'timer' },
  'interval that goes on': { trigger: failingInterval, reported: 'timer', times: 3 },
  'immediate': { trigger: () => { setImmediate(fail) }, reported: 'immediate' },
  'nextTick': { trigger: () => { process.nextTick(fail) }, reported: 'tick' },
  'queueMicrotask': { trigger: () => { queueMicrotask(fail) }, reported: 'microtask' },
  'rejection nobody awaits': { trigger: () => { void Promise.resolve().then(fail) }, reported: 'rejection' },
  'rejection after a timer': { trigger: () => { void new Promise((resolve) => setTimeout(resolve, 1)).then(fail) }, reported: 'rejection' },
  'rejection with undefined': { trigger: () => { void Promise.resolve().then(() => failWith(undefined)) }, reported: 'rejection' },
  'fs': { trigger: () => { readFile('/dev/null', fail) }, reported: 'callback' },
  'stream': { trigger: () => { createReadStream('/proc/self/stat').on('data', fail) }, reported: 'emitter' },
  'socket': { trigger: () => { net.connect('/nowhere').on('error', fail) }, reported: 'emitter' },
  'dns': { trigger: () => { dns.lookup('127.0.0.1', () => { setImmediate(fail) }) }, reported: 'immediate' },
  'child process': { trigger: () => { execFile('true', fail) }, reported: 'emitter' },
  'emitter': { trigger: () => { const emitter = new EventEmitter().on('event', fail); setImmediate(() => emitter.emit('event')) }, reported: 'emitter' },
  "unheard 'error' event": { trigger: () => { setImmediate(() => new EventEmitter().emit('error', new Error('by intention'))) }, reported: 'emitter' },
  'EventTarget': {
    trigger: () => {
      const target = new EventTarget()
      target.addEventListener('event', fail)
      setImmediate(() => target.dispatchEvent(new Event('event')))
    },
    reported: 'event-target',
  },
  'throw undefined': { trigger: () => { setTimeout(() => failWith(undefined), 1) }, reported: 'timer' },
  'throw null': { trigger: () => { setTimeout(() => failWith(null), 1) }, reported: 'timer' },
  'throw a string': { trigger: () => { setTimeout(() => failWith('route'), 1) }, reported: 'timer' },
  'throw a frozen error': { trigger: () => { setTimeout(() => failWith(Object.freeze(new Error('by intention'))), 1) }, reported: 'timer' },
  'stack overflow': { trigger: () => { const recurse = (): number => recurse() + 1; setTimeout(recurse, 1) }, reported: 'timer' },
  'AsyncResource.bind': { trigger: ({ elsewhere }) => { elsewhere(AsyncResource.bind(() => fail())) }, reported: 'timer' },
  'AsyncLocalStorage.bind': { trigger: ({ elsewhere }) => { elsewhere(AsyncLocalStorage.bind(() => fail())) }, reported: 'timer' },
  'AsyncLocalStorage.snapshot': { trigger: ({ elsewhere }) => { const run = AsyncLocalStorage.snapshot(); elsewhere(() => run(fail)) }, reported: 'timer' },
  "request 'data'": { trigger: ({ request }) => { request.on('data', fail) }, reported: 'emitter', body: true, phases: ['before-headers', 'streaming'] },
  "request 'end'": { trigger: ({ request }) => { request.on('end', fail).resume() }, reported: 'emitter', body: true, phases: ['before-headers', 'streaming'] },
  "request 'close' as the client leaves": { trigger: ({ request }) => { request.on('close', fail).on('error', () => undefined) }, reported: 'emitter', body: true, leaves: true, phases: EARLY },
  "request 'aborted'": { trigger: ({ request }) => { request.on('aborted', fail).on('error', () => undefined) }, reported: 'emitter', body: true, leaves: true, phases: EARLY },
  "response 'close' as the client leaves": { trigger: ({ response }) => { response.on('close', fail) }, reported: 'emitter', body: true, leaves: true, phases: EARLY },
  "response 'finish'": { trigger: ({ response }) => { response.on('finish', fail) }, reported: 'emitter', phases: LATE },
  "response 'close'": { trigger: ({ response }) => { response.on('close', fail) }, reported: 'emitter', phases: LATE },
  'recovery.bind': { trigger: ({ elsewhere }) => { elsewhere(recovery.bind(fail)) }, reported: 'callback' },
  'recovery.emitter': { trigger: ({ guarded, elsewhere }) => { guarded.once('event', fail); elsewhere(() => guarded.emit('event')) }, reported: 'callback' },
  ...TIMER_KINDS,
  ...FILE_KINDS,
  ...STREAM_KINDS,
  ...NETWORK_KINDS,
  ...PROCESS_KINDS,
  'shared emitter': {
    trigger: ({ shared, elsewhere }) => { shared.once('event', fail); elsewhere(() => shared.emit('event')) },
    reported: 'emitter',
    phases: EARLY,
    impossible: 'An emitter that was made outside of any request calls its listeners in the context of who emits. recovery.emitter() cures it.',
  },
  'promise that is rejected elsewhere': {
    trigger: ({ elsewhere }) => { void new Promise((_resolve, reject) => { elsewhere(() => { reject(new Error('by intention')) }) }) },
    reported: 'rejection',
    phases: EARLY,
    impossible: 'Node tells the context of who rejects. The option trackPromises cures it.',
    impossibleOn: [24, 26],
  },
  'callback made elsewhere': {
    trigger: ({ elsewhere }) => { elsewhere(fail) },
    reported: 'callback',
    phases: EARLY,
    impossible: 'A queue of functions that somebody else empties keeps no context. recovery.bind() cures it.',
  },
}
