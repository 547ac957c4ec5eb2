import { describe, expect, it } from '@jest/globals'
import { OperationLock, type Done, type Wait } from '../../../middleware/memory/operation-lock.js'

function begun(turn: Done | Wait): Done {
  if (typeof turn !== 'function') throw new Error(`had to wait: ${turn.reason}`)
  return turn
}

describe('the lock on expensive operations', () => {
  it('one at a time', () => {
    const lock = new OperationLock()
    const done = begun(lock.acquire('heap'))
    expect(lock.acquire('gc')).toEqual({ reason: 'busy', name: 'heap', seconds: undefined })
    done()
    done()
    begun(lock.acquire('gc'))
    done()
    expect(lock.acquire('heap')).toMatchObject({ reason: 'busy', name: 'gc' })
  })

  it('scrapes that force a collection keep their distance, from the end of one to the start of the next', () => {
    let time = 0
    const lock = new OperationLock(() => time)
    const done = begun(lock.acquire('heap', 10_000))
    time = 3000
    done()
    time = 9500
    expect(lock.acquire('callsites', 10_000)).toEqual({ reason: 'too-soon', name: 'heap', seconds: 4 })
    begun(lock.acquire('profile'))()
    begun(lock.acquire('heap', 6000))()
    time = 19_500
    begun(lock.acquire('heap', 10_000))()
  })

  it('one that has forced nothing keeps no distance', () => {
    const lock = new OperationLock(() => 0)
    begun(lock.acquire('heap', 10_000))(false)
    begun(lock.acquire('heap', 10_000))()
    expect(lock.acquire('heap', 10_000)).toMatchObject({ reason: 'too-soon' })
  })

  it('those of another kind keep a distance of their own, counted from the start where that is what costs', () => {
    let time = 0
    const lock = new OperationLock(() => time)
    const done = begun(lock.acquire('profile', 10_000, { kind: 'profile', from: 'start', lasts: 8000 }))
    time = 1000
    expect(lock.acquire('heap', 10_000)).toEqual({ reason: 'busy', name: 'profile', seconds: 7 })
    time = 9000
    expect(lock.acquire('heap', 10_000)).toEqual({ reason: 'busy', name: 'profile', seconds: 1 })
    done()
    begun(lock.acquire('heap', 10_000))()
    expect(lock.acquire('profile', 10_000, { kind: 'profile', from: 'start' })).toEqual({ reason: 'too-soon', name: 'profile', seconds: 1 })
    time = 10_000
    begun(lock.acquire('profile', 10_000, { kind: 'profile', from: 'start' }))()
  })

  it('those who wait learn when one is over, also one that failed', async () => {
    const lock = new OperationLock()
    const done = begun(lock.acquire('heap'))
    const over = lock.nextEnd()
    done()
    await over
    const failed = lock.hold('settle', () => Promise.reject(new Error('failed')))
    const next = lock.nextEnd()
    await expect(failed).rejects.toThrow('failed')
    await next
  })

  it('what is asked for within the process is never refused, but keeps others out', async () => {
    const lock = new OperationLock()
    let finish: () => void = () => undefined
    const work = lock.hold('settle', () => new Promise<string>((resolve) => { finish = () => { resolve('report') } }))
    expect(lock.acquire('gc')).toMatchObject({ reason: 'busy', name: 'settle' })
    await expect(lock.hold('settle', () => Promise.resolve('another'))).resolves.toBe('another')
    expect(lock.acquire('gc')).toMatchObject({ reason: 'busy', name: 'settle' })
    finish()
    await expect(work).resolves.toBe('report')
    begun(lock.acquire('gc'))
  })

  it('what is asked for within the process while another one runs keeps others out once that one is over', async () => {
    const lock = new OperationLock()
    const done = begun(lock.acquire('heap'))
    let finish: () => void = () => undefined
    const work = lock.hold('settle', () => new Promise<void>((resolve) => { finish = resolve }))
    expect(lock.acquire('gc')).toMatchObject({ reason: 'busy', name: 'heap' })
    done()
    expect(lock.acquire('gc')).toMatchObject({ reason: 'busy', name: 'settle' })
    finish()
    await work
    begun(lock.acquire('gc'))
  })

  it('one that fails is over', async () => {
    const lock = new OperationLock()
    await expect(lock.hold('settle', () => Promise.reject(new Error('failed')))).rejects.toThrow('failed')
    begun(lock.acquire('gc'))
  })
})
