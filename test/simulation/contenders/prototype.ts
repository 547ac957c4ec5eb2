/* eslint-disable */
import type { Contender, Visit } from '../contender.js'
import type { EventLoop } from '../event-loop.js'

export const defaults = {
  hybrid: 0, gate: 'new' as 'reference' | 'new' | 'off',
  B: 50, relaxed: 250, alert: 2000, maxAge: 500,
  limiter: 'new' as 'reference' | 'new' | 'off',
  min: 8, initial: 20, roomMs: 100, timeout: 100, lifo: 100, roomMax: 0,
  net: true, floor: 1.2, elastic: true, creep: 1.03, growth: 0.1, tolerance: 1.5, roomLeast: 20, xLow: 0.03, xHigh: 0.2, lifoShare: 0.05, unified: false, tightShare: 0.05, looseTimeout: 500, looseRoomMs: 500, blend: 0.3, calmTimeout: 100, probe: true, probeEvery: 10, probeMost: 60,
}
export type Params = typeof defaults
export const stats = { drains: 0, gate: 0, room: 0, timeouts: 0, log: [] as string[], verbose: false }

class Gate {
  last = 0; idle0 = 0; prev = 0; armed = false; iterationStart = 0
  lastIdle = 0
  busySince = 0; n = 0; draining = false; alertUntil = -1; rate = 0; weight = 0; cycleStart = 0
  x = 0
  constructor(readonly loop: EventLoop, readonly p: Params) {}
  sojourn() { const l = this.loop; return (l.now - this.last) - (l.idleTime - this.idle0) + 0.5 * this.prev }
  /** true: reject */
  refuses(visit: Visit): boolean {
    const { loop, p } = this
    if (p.gate === 'off') return false
    const now = loop.now
    if (loop.idleTime > this.lastIdle) {
      const busy = (now - this.last) - (loop.idleTime - this.idle0)
      this.endCycle(now - busy)
      this.lastIdle = loop.idleTime
    }
    if (!this.armed) {
      this.armed = true
      loop.setImmediate(() => {
        this.armed = false
        this.prev = (loop.now - this.last) - (loop.idleTime - this.idle0)
        this.last = loop.now
        this.idle0 = loop.idleTime
      })
    }
    this.n++
    const sojourn = this.sojourn()
    if (p.gate === 'reference') {
      const B = now - this.busySince > 250 ? p.B : p.relaxed
      return sojourn > B || (visit.stamped !== undefined && now - visit.stamped > B)
    }
    if (this.draining) return true
    const B = p.unified ? this.x * p.B + (1 - this.x) * p.relaxed : now < this.alertUntil ? p.B : p.relaxed
    const age = now - this.busySince
    if (p.hybrid && visit.stamped === undefined && sojourn > B) { if (!p.unified) this.alertUntil = now + p.alert; return true }
    let wait = visit.stamped !== undefined ? now - visit.stamped : Math.max(p.hybrid ? 0 : sojourn, this.rate > 0 ? age - this.n / this.rate : 0)
    if (p.hybrid && visit.stamped === undefined && wait > B && age < p.hybrid*wait) wait = 0
    if (wait > B || (visit.stamped === undefined && age > p.maxAge && sojourn < 0)) { this.draining = true; if (!p.unified) this.alertUntil = now + p.alert; stats.drains++; return true }
    if (visit.stamped === undefined && age > p.maxAge && this.weightAge < age) { this.draining = true; this.probing = true; stats.drains++; return true }
    return false
  }
  weightAge = 0; probing = false
  endCycle(start: number) {
    // requests since the last idle, over the time since then
    const span = start - this.cycleStart
    this.weight += span; this.count += this.n
    if (this.weight > 200) {
      const r = this.count / this.weight
      this.rate = this.rate === 0 ? r : this.rate + (1 - Math.exp(-this.weight / 500)) * (r - this.rate)
      this.weight = 0; this.count = 0
    }
    this.cycleStart = start
    this.busySince = start
    this.n = 0
    if (this.draining && !this.p.unified) { this.alertUntil = this.probing ? this.alertUntil : this.loop.now + this.p.alert }
    this.draining = false; this.probing = false
  }
  count = 0
}

interface Started { at: number }
export class Prototype implements Contender {
  gate: Gate
  L: number
  active = 0
  started = new Map<Visit, Started>()
  room: { v: Visit, at: number }[] = []
  roomSince = 0
  b = 0
  windowEnd = 1000; windowStart = 0
  sum = 0; net = 0; n = 0; maxIn = 0; X = 0
  anchor: { N: number, X: number, L: number, skip: number } | undefined
  area = 0; areaAt = 0
  draining = false
  satSince = -1; nextProbe = 0; interval = 0; probeL = 0; probePhase = 0; probeStart = 0; pn = 0; psum = 0; X1 = 0
  cap() { return Math.floor(this.probeL || this.L) }
  probeRelease(startedAt: number, net: number) {
    const now = this.loop.now
    if (startedAt >= this.probeStart) { this.pn++; this.psum += net; if (this.probePhase === 1 && this.pn >= 10) { this.probePhase = 2; this.probeStart2 = now; this.pn2 = 0 } }
    if (this.probePhase === 2) this.pn2++
    if (this.probePhase === 2 && this.pn >= 60 && now - this.probeStart2 >= 200) {
      const X2 = this.pn2 / (now - this.probeStart2), lat = this.probeL / X2
      const ratio = X2 / this.X1
      const old = this.b
      if (ratio > 0.9) { if (lat < this.b) this.b += 0.5 * (lat - this.b) } else this.b += 0.5 * (lat - this.b)
      if (stats.verbose) stats.log.push(`${(now/1000).toFixed(1)} PROBE L ${this.probeL} of ${this.L.toFixed(1)} ratio ${ratio.toFixed(2)} lat ${lat.toFixed(1)} b ${old.toFixed(1)} -> ${this.b.toFixed(1)}`)
      const change = Math.abs(this.b / old - 1)
      this.interval = change > 0.15 ? this.p.probeEvery : Math.min(this.p.probeMost, this.interval * 2)
      this.nextProbe = now + 1000 * this.interval
      this.probeL = 0; this.probePhase = 0
      this.sum = this.net = this.n = 0; this.area = 0; this.windowStart = now; this.windowEnd = now + 1000; this.maxIn = this.active
    }
  }
  probeStart2 = 0; pn2 = 0
  constructor(readonly loop: EventLoop, readonly p: Params) { this.gate = new Gate(loop, p); this.L = p.initial }
  limit() { return this.L }
  track() { this.area += this.active * (this.loop.now - this.areaAt); this.areaAt = this.loop.now }
  arrivals = 0; shed = 0; tick = 0; share = 0; tight = false; x = 0
  arrive(visit: Visit) {
    if (this.loop.now - this.tick > 1000) {
      this.share += this.p.blend * (this.shed / Math.max(1, this.arrivals) - this.share)
      this.x = Math.max(0, Math.min(1, (this.share - this.p.xLow) / (this.p.xHigh - this.p.xLow))); this.gate.x = this.x; this.tight = this.share > this.p.lifoShare
      this.arrivals = this.shed = 0; this.tick = this.loop.now
    }
    this.arrivals++
    if (this.gate.refuses(visit)) { stats.gate++; this.shed++; visit.reject(); return }
    if (this.p.limiter === 'off') { this.go(visit); return }
    this.evict()
    if (this.active < this.cap() && this.room.length === 0) { this.go(visit); return }
    if (this.room.length === 0) this.roomSince = this.loop.now
    const bound = this.p.limiter === 'reference' ? this.L : Math.max(this.L, this.p.roomLeast, (this.p.unified ? this.x * this.p.roomMs + (1 - this.x) * this.p.looseRoomMs : this.p.roomMs) * this.X)
    if (this.room.length >= bound) { stats.room++; this.shed++; this.room.shift()!.v.reject() }
    this.room.push({ v: visit, at: this.loop.now })
    this.maxIn = Math.max(this.maxIn, Math.floor(this.L))
    this.arm()
  }
  evict() {
    while (this.room.length > 0 && (this.room[0]!.v.left || this.loop.now - this.room[0]!.at >= this.patience())) { const { v } = this.room.shift()!; if (!v.left) { stats.timeouts++; this.shed++; v.reject() } }
  }
  patience() { if (this.p.unified) return this.x * this.p.timeout + (1 - this.x) * this.p.looseTimeout; return this.loop.now - this.roomSince > this.p.lifo ? this.p.timeout : this.p.calmTimeout }
  timer = false
  arm() {
    if (this.timer || this.room.length === 0) return
    this.timer = true
    this.loop.setTimeout(() => { this.timer = false; this.evict(); this.arm() }, this.patience() - (this.loop.now - this.room[0]!.at))
  }
  go(visit: Visit) {
    this.track()
    this.active++; this.maxIn = Math.max(this.maxIn, this.active)
    this.started.set(visit, { at: this.loop.now })
    visit.start()
  }
  release(visit: Visit) {
    this.track()
    this.active--
    const s = this.started.get(visit)!; this.started.delete(visit)
    if (!visit.left) {
      const latency = this.loop.now - s.at
      this.sum += latency; this.n++
      this.net += this.p.net ? Math.max(latency * 0.1, latency - Math.min(latency, Math.max(0, this.gate.sojourn()))) : latency
    }
    if (this.probePhase > 0) { if (!visit.left) this.probeRelease(s.at, Math.max((this.loop.now - s.at) * 0.1, this.loop.now - s.at - Math.max(0, this.gate.sojourn()))) }
    else if (this.loop.now >= this.windowEnd && this.n >= 10) this.window()
    this.drain()
  }
  drain() {
    if (this.draining) return
    this.draining = true
    while (this.room.length > 0 && this.active < this.cap()) {
      const lifo = this.p.unified ? this.tight : this.loop.now - this.roomSince > this.p.lifo
      const { v } = (lifo ? this.room.pop() : this.room.shift())!
      if (v.left) continue
      this.go(v)
    }
    this.draining = false
  }
  leave(v: Visit) { const i = this.room.findIndex((x) => x.v === v); if (i >= 0) this.room.splice(i, 1) }
  window() {
    const { p } = this
    const span = this.loop.now - this.windowStart
    const gross = this.sum / this.n, avg = this.net / this.n, X = this.n / span
    const N = this.area / span
    const sat = this.maxIn >= 0.9 * Math.floor(this.L)
    this.X = X
    this.sum = this.net = this.n = 0; this.area = 0; this.windowStart = this.loop.now; this.windowEnd = this.loop.now + 1000
    const maxIn = this.maxIn; this.maxIn = this.active
    if (this.b === 0) this.b = avg
    if (avg < this.b) this.b = 0.9 * this.b + 0.1 * avg
    else if (!sat) this.b += (2 / 601) * (avg - this.b)
    if (maxIn < this.L / 2) return
    const raw = p.tolerance * this.b / avg
    const g = Math.max(0.5, Math.min(1, raw))
    if (p.limiter === 'reference') {
      this.L = 0.8 * this.L + 0.2 * (g * this.L + (g < 1 ? 0 : Math.sqrt(this.L)))
      this.L = Math.max(p.min, Math.min(1000, this.L)); return
    }
    let step = g < 1 ? 0 : Math.sqrt(this.L)
    if (raw > p.tolerance / 1.15) step = Math.max(step, 5 * p.growth * this.L)
    if (!sat) step = 0
    const before = this.L
    let next = 0.8 * this.L + 0.2 * (g * this.L + step)
    const floor = p.floor * X * (this.b + gross - avg)
    if (g < 1) next = Math.min(this.L, Math.max(next, floor))
    this.L = Math.max(p.min, Math.min(1000, next))
    if (!sat) { this.satSince = -1 } else if (this.satSince < 0) { this.satSince = this.loop.now; this.interval = p.probeEvery; this.nextProbe = this.loop.now + 5000 }
    if (p.probe && sat && this.loop.now >= this.nextProbe) { this.probePhase = 1; this.probeL = Math.max(2, Math.floor(N / 2)); this.probeStart = this.loop.now; this.pn = 0; this.psum = 0; this.X1 = X; this.anchor = undefined }
    if (!sat || g === 1) this.anchor = undefined
    else if (p.elastic) {
      if (!this.anchor) this.anchor = { N, X, L: before, skip: 1 }
      else if (this.anchor.skip > 0) { this.anchor.skip--; this.anchor.N = N; this.anchor.X = X; this.anchor.L = before }
      else if (N < 0.75 * this.anchor.N) {
        const e = Math.log(this.anchor.X / X) / Math.log(this.anchor.N / N)
        if (e > 0.6) { this.b = avg; this.L = this.anchor.L; this.anchor = undefined }
        else this.anchor = { N, X, L: before, skip: 0 }
      }
    }
    if (sat && g < 1 && this.L <= Math.max(p.min, floor) * 1.05) this.b *= p.creep
    if (stats.verbose) stats.log.push(`${(this.loop.now/1000).toFixed(0)} N ${N.toFixed(1)} X ${(X*1000).toFixed(0)} gross ${gross.toFixed(1)} net ${avg.toFixed(1)} b ${this.b.toFixed(1)} g ${g.toFixed(2)} L ${this.L.toFixed(1)} floor ${floor.toFixed(1)} sat ${sat}`)
  }
}
export const prototype = (name: string, p: Partial<Params> = {}) => ({ name, create: (loop: EventLoop) => new Prototype(loop, { ...defaults, ...p }) })
