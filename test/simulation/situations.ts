/**
 * Situations below saturation, in which nobody needs to be turned away: whatever waits can be answered at once, or waits
 * for something of which there is enough. What is measured is how many are turned away all the same.
 */
import type { ContenderKind } from './contender.js'
import { EventLoop } from './event-loop.js'
import { Random } from './random.js'
import { World, type Outcome, type Settled, type Work } from './world.js'

export interface Situation {
  readonly name: string
  readonly seconds: number
  /** Lets clients come to the server; called at its start. */
  readonly play: (stage: Stage) => void
}

/** What became of the requests of a situation. */
export interface Outcomes {
  readonly asked: number
  readonly answered: number
  /** Told 503. */
  readonly rejected: number
  /** When the last one was told so, in milliseconds; NaN where none was. */
  readonly lastRejectedAt: number
  /** Latencies of those that were asked as `quick`, in milliseconds, sorted. */
  readonly quick: readonly number[]
}

/** Clients here are patient; what is too late for them is not the question. */
const PATIENT = 60_000
/** Who was turned away comes again after so long. */
const AGAIN_AFTER = 1000

export class Stage {
  readonly loop: EventLoop
  readonly random: Random
  readonly world: World
  readonly quick: number[] = []

  constructor(loop: EventLoop, world: World, random: Random) {
    this.loop = loop
    this.world = world
    this.random = random
  }

  at(time: number, run: () => void): void {
    this.loop.at(time, run)
  }

  every(milliseconds: number, run: () => void, from = 0): void {
    this.loop.at(from, () => {
      run()
      this.every(milliseconds, run, this.loop.now + milliseconds)
    })
  }

  /** One request. `over` is called when it is over. */
  ask(work: Work, newConnection = false, over?: (outcome: Outcome) => void): void {
    this.world.ask(work, newConnection, over)
  }

  /** One request whose latency is of interest. */
  askQuick(work: Work): void {
    const { now } = this.loop
    this.ask(work, false, (outcome) => { if (outcome === 'answered') this.quick.push(this.loop.now - now) })
  }

  /** A client with one request after another, `pause` after each answer. */
  client(work: () => Work, { pause = () => 0.05, newConnection = false, from = 0 }: { pause?: () => number; newConnection?: boolean; from?: number } = {}): void {
    this.at(from, () => {
      this.ask(work(), newConnection, (outcome) => {
        const rest = outcome === 'answered' ? pause() : AGAIN_AFTER
        this.client(work, { pause, newConnection, from: this.loop.now + rest })
      })
    })
  }

  /** JavaScript of the process that is no capped request: timers, routes before the cap, collections. */
  work(milliseconds: number): void {
    this.loop.ready(() => { this.loop.spend(milliseconds) })
  }
}

function synchronous(cpu: number): Work {
  return { cpu, downstream: 0 }
}

function waiting(wait: number, target = '/waiting'): Work {
  return { cpu: 0.1, downstream: 0, wait, target }
}

function loneClient(milliseconds: number, pause: number, newConnection: boolean): Situation {
  return {
    name: `a lone client, ${String(milliseconds)} ms of work, ${String(pause)} ms of pause${newConnection ? ', new connections' : ''}`,
    seconds: 60,
    play: (stage) => {
      let asked = 0
      stage.client(() => synchronous(asked++ % 2 === 0 ? milliseconds : 0.2), { newConnection, pause: () => (asked % 2 === 0 ? 0.05 : pause + 0.05) })
    },
  }
}

function rare(name: string, background: (stage: Stage) => void, newConnection: boolean): Situation {
  return {
    name: `${name}, and a request in two seconds${newConnection ? ', new connections' : ''}`,
    seconds: 60,
    play: (stage) => {
      background(stage)
      stage.every(2003, () => { stage.ask(synchronous(0.2), newConnection) }, 2000)
    },
  }
}

function burst(count: number, work: Work, name: string, newConnection: boolean): Situation {
  return {
    name: `bursts of ${String(count)}, ${name}${newConnection ? ', new connections' : ''}`,
    seconds: 34,
    play: (stage) => {
      stage.every(10_000, () => {
        for (let index = 0; index < count; index += 1) stage.ask(work, newConnection)
      }, 1000)
    },
  }
}

/** The clients need some time themselves until all have asked, so that the burst comes in several turns of the loop. */
function spreadBurst(count: number, over: number, cpu: number, newConnection: boolean): Situation {
  return {
    name: `bursts of ${String(count)} within ${String(over)} ms, ${String(cpu)} ms of work each${newConnection ? ', new connections' : ''}`,
    seconds: 34,
    play: (stage) => {
      stage.every(10_000, () => {
        for (let index = 0; index < count; index += 1) {
          stage.at(stage.loop.now + stage.random.next() * over, () => { stage.ask(synchronous(cpu), newConnection) })
        }
      }, 1000)
    },
  }
}

function stall(milliseconds: number, newConnection: boolean): Situation {
  return {
    name: `100 requests a second of 2 ms, and a stall of ${String(milliseconds)} ms${newConnection ? ', new connections' : ''}`,
    seconds: 30,
    play: (stage) => {
      stage.every(10, () => { stage.ask(synchronous(2), newConnection) })
      stage.every(9_000, () => { stage.work(milliseconds) }, 2000)
    },
  }
}

function start(clients: number, milliseconds: number): Situation {
  return {
    name: `${String(clients)} clients of a handler that waits ${String(milliseconds)} ms, from the start`,
    seconds: 30,
    play: (stage) => {
      for (let index = 0; index < clients; index += 1) stage.client(() => waiting(milliseconds))
    },
  }
}

function slowBesideQuick(clients: number, wait: (random: Random) => number, name: string): Situation {
  return {
    name: `${String(clients)} clients that wait ${name}, beside 40 a second that need 5 ms`,
    seconds: 60,
    play: (stage) => {
      for (let index = 0; index < clients; index += 1) {
        stage.client(() => waiting(wait(stage.random)), { from: 3000 + 20 * index, pause: () => 1 + stage.random.exponential(20) })
      }
      stage.every(25, () => { stage.askQuick(waiting(5, '/quick')) })
    },
  }
}

function random(clients: number, mean: number): Situation {
  return {
    name: `${String(clients)} clients that wait ${String(mean)} ms, as chance will have it`,
    seconds: 60,
    play: (stage) => {
      for (let index = 0; index < clients; index += 1) stage.client(() => waiting(stage.random.exponential(mean)), { from: 20 * index })
    },
  }
}

function slower(): Situation {
  return {
    name: 'what the handlers wait for takes 20 ms, from 15 s on 400 ms, and is not scarce',
    seconds: 60,
    play: (stage) => {
      stage.every(4, () => { stage.ask(waiting(stage.loop.now < 15_000 ? 20 : 400)) })
    },
  }
}

/** Other programs have the processor for some milliseconds at a time, half of the time. */
function busyMachine(situation: Situation): Situation {
  return {
    ...situation,
    name: `${situation.name}, on a busy machine`,
    play: (stage) => {
      const steal = (): void => {
        stage.loop.ready(() => {
          stage.loop.stall(4 + stage.random.exponential(8))
          stage.at(stage.loop.now + stage.random.exponential(12), steal)
        })
      }
      steal()
      situation.play(stage)
    },
  }
}

const both = [false, true]

const IDLE: readonly Situation[] = [
  ...both.flatMap((fresh) => [loneClient(600, 0, fresh), loneClient(2000, 200, fresh), loneClient(600, 5000, fresh)]),
  ...both.flatMap((fresh) => [
    rare('a timer of 10 ms each 100 ms', (stage) => { stage.every(100, () => { stage.work(10) }) }, fresh),
    rare('a timer of 600 ms each 2 s', (stage) => { stage.every(2000, () => { stage.work(600) }) }, fresh),
    rare('requests that do not pass the cap', (stage) => { stage.every(9, () => { stage.work(1) }) }, fresh),
    rare('400 ms of work at the start', (stage) => { stage.work(400) }, fresh),
  ]),
  ...both.flatMap((fresh) => [50, 200, 400].flatMap((count) => [
    burst(count, synchronous(2), '2 ms of work each', fresh),
    burst(count, waiting(50), '50 ms of waiting each', fresh),
  ])),
  burst(400, synchronous(5), '5 ms of work each', false),
  ...both.flatMap((fresh) => [spreadBurst(200, 50, 15, fresh), spreadBurst(400, 300, 10, fresh)]),
  ...both.flatMap((fresh) => [stall(600, fresh), stall(1500, fresh)]),
  start(100, 500),
  start(400, 2000),
  slowBesideQuick(30, () => 8000, '8 s'),
  slowBesideQuick(100, (random) => random.exponential(2000), '2 s, as chance will have it'),
  slowBesideQuick(40, (random) => random.exponential(300), '300 ms, as chance will have it'),
  random(40, 300),
  random(200, 1000),
  slower(),
]

export const SITUATIONS: readonly Situation[] = [...IDLE, ...IDLE.map(busyMachine)]

/** Plays a situation with one contender. */
export async function play(situation: Situation, kind: ContenderKind, seed: number): Promise<Outcomes> {
  const random = new Random(seed)
  const loop = new EventLoop()
  const contender = kind.create(loop, random.fork())
  const settle = contender.settle?.bind(contender)
  if (settle !== undefined) loop.settleWith(settle)
  const settled: Settled[] = []
  const options = { rate: 0, newConnections: 0, stamped: false, slots: 1, work: () => synchronous(0), timeout: PATIENT }
  const world = new World(loop, options, contender, random.fork(), ({ intended, settledAt, outcome }) => settled.push({ intended, settledAt, outcome }))
  const stage = new Stage(loop, world, random.fork())
  situation.play(stage)
  await loop.run(situation.seconds * 1000)
  const rejected = settled.filter(({ outcome }) => outcome === 'rejected' || outcome === 'refused')
  return {
    asked: settled.length,
    answered: settled.filter(({ outcome }) => outcome === 'answered').length,
    rejected: rejected.length,
    lastRejectedAt: rejected.at(-1)?.settledAt ?? NaN,
    quick: stage.quick.sort((a, b) => a - b),
  }
}
