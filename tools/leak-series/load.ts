/** The load of a recording: shapes of requests over time, and a client that sends them over a Unix socket. */
import http from 'node:http'

/** Share of the mean rate at a moment of the recording, from 0 at its start to 1 at its end. */
type Shape = (moment: number, random: () => number) => number

const wave = (periods: number, depth: number): Shape => (moment) => 1 + depth * Math.sin(2 * Math.PI * periods * moment - 1)

export const SHAPES: Readonly<Record<string, Shape>> = {
  steady: () => 1,
  noisy: (_moment, random) => 0.4 + 1.2 * random(),
  /** Rises all the while. */
  ramp: (moment) => 0.3 + 1.4 * moment,
  steepRamp: (moment) => 0.1 + 1.8 * moment,
  /** Rises, and stays. */
  plateau: (moment) => Math.min(1.2, 0.2 + 2.5 * moment),
  decline: (moment) => 1.6 - 1.2 * moment,
  waves: wave(4, 0.7),
  day: wave(2, 0.6),
  slowDay: wave(1.3, 0.7),
  quickWaves: wave(9, 0.5),
  bursts: (moment) => (moment * 7) % 1 < 0.2 ? 3 : 0.5,
  rareBursts: (moment) => (moment * 3.3) % 1 < 0.12 ? 4 : 0.6,
  stepUp: (moment) => moment < 0.45 ? 0.6 : 1.4,
  stepDown: (moment) => moment < 0.5 ? 1.5 : 0.5,
  twoSteps: (moment) => moment < 0.3 ? 0.5 : moment < 0.6 ? 1 : 1.5,
  /** Low at first, then as usual. */
  launch: (moment) => moment < 0.15 ? 0.2 : 1.1,
  noisyRamp: (moment, random) => (0.4 + 1.2 * moment) * (0.6 + 0.8 * random()),
  saw: (moment) => 0.4 + 1.2 * ((moment * 3) % 1),
  noon: (moment) => 0.5 + 1.2 * Math.exp(-(((moment - 0.5) / 0.15) ** 2)),
  pauses: (moment) => (moment * 5) % 1 < 0.3 ? 0.05 : 1.4,
}

/** Working days, for the busy apps alone: recipes draw among the others by their number. */
export const DAY_SHAPES: Readonly<Record<string, Shape>> = {
  twoPeaks: (moment) => 0.5 + Math.exp(-(((moment - 0.25) / 0.1) ** 2)) + 1.3 * Math.exp(-(((moment - 0.7) / 0.12) ** 2)),
  openingHours: (moment) => moment < 0.12 ? 0.3 : moment < 0.85 ? 1.15 : 0.6,
  everyHour: (moment) => (moment * 8) % 1 < 0.15 ? 2.2 : 0.8,
  drift: (moment) => 1 + 0.3 * Math.sin(9 * moment + 1) + 0.25 * Math.sin(23 * moment) + 0.1 * Math.sin(41 * moment + 2),
  evening: (moment) => 0.6 + 0.8 * moment ** 2,
  campaign: (moment) => moment < 0.4 ? 0.7 : 0.7 + 1.3 * Math.exp(-(moment - 0.4) / 0.2),
  uneven: (moment, random) => (0.5 + random()) * (1 + 0.3 * Math.sin(2 * Math.PI * moment)),
}

/** Sends requests to a socket for some seconds; resolves when the time is over. Requests that are late are not waited for. */
export async function sendLoad(socketPath: string, shape: string, rate: number, seconds: number, random: () => number): Promise<void> {
  const share = SHAPES[shape] ?? DAY_SHAPES[shape]
  if (share === undefined) throw new Error(`no shape ${shape}`)
  const agent = new http.Agent({ keepAlive: true, maxSockets: 64 })
  const start = performance.now()
  let due = 0
  let number = 0
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      const moment = (performance.now() - start) / 1000 / seconds
      if (moment >= 1) {
        clearInterval(timer)
        resolve()
        return
      }
      due += rate * share(moment, random) * 0.05
      for (; due >= 1; due -= 1) send(agent, socketPath, number++)
    }, 50)
  })
  agent.destroy()
}

function send(agent: http.Agent, socketPath: string, number: number): void {
  http.get({ agent, socketPath, path: `/?number=${String(number)}` }, (response) => response.resume())
    .on('error', () => undefined)
}
