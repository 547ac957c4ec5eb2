import { describe, expect, it } from '@jest/globals'
import { Turns, type Done, type Wait } from '../../../middleware/memory/turns.js'

function begun(turn: Done | Wait): Done {
  if (typeof turn !== 'function') throw new Error(`had to wait: ${turn.reason}`)
  return turn
}

describe('turns', () => {
  it('one at a time', () => {
    const turns = new Turns()
    const done = begun(turns.take('heap'))
    expect(turns.take('gc')).toEqual({ reason: 'busy', name: 'heap', seconds: undefined })
    done()
    done()
    begun(turns.take('gc'))
    done()
    expect(turns.take('heap')).toMatchObject({ reason: 'busy', name: 'gc' })
  })

  it('scrapes that force a collection keep their distance, from the end of one to the start of the next', () => {
    let time = 0
    const turns = new Turns(() => time)
    const done = begun(turns.take('heap', 10_000))
    time = 3000
    done()
    time = 9500
    expect(turns.take('callsites', 10_000)).toEqual({ reason: 'too-soon', name: 'heap', seconds: 4 })
    begun(turns.take('profile'))()
    begun(turns.take('heap', 6000))()
    time = 19_500
    begun(turns.take('heap', 10_000))()
  })

  it('one that has forced nothing keeps no distance', () => {
    const turns = new Turns(() => 0)
    begun(turns.take('heap', 10_000))(false)
    begun(turns.take('heap', 10_000))()
    expect(turns.take('heap', 10_000)).toMatchObject({ reason: 'too-soon' })
  })

  it('those of another kind keep a distance of their own, counted from the start where that is what costs', () => {
    let time = 0
    const turns = new Turns(() => time)
    const done = begun(turns.take('profile', 10_000, { kind: 'profile', from: 'start', lasts: 8000 }))
    time = 1000
    expect(turns.take('heap', 10_000)).toEqual({ reason: 'busy', name: 'profile', seconds: 7 })
    time = 9000
    expect(turns.take('heap', 10_000)).toEqual({ reason: 'busy', name: 'profile', seconds: 1 })
    done()
    begun(turns.take('heap', 10_000))()
    expect(turns.take('profile', 10_000, { kind: 'profile', from: 'start' })).toEqual({ reason: 'too-soon', name: 'profile', seconds: 1 })
    time = 10_000
    begun(turns.take('profile', 10_000, { kind: 'profile', from: 'start' }))()
  })

  it('those who wait learn when one is over, also one that failed', async () => {
    const turns = new Turns()
    const done = begun(turns.take('heap'))
    const over = turns.nextEnd()
    done()
    await over
    const failed = turns.during('settle', () => Promise.reject(new Error('failed')))
    const next = turns.nextEnd()
    await expect(failed).rejects.toThrow('failed')
    await next
  })

  it('what is asked for within the process is never refused, but keeps others out', async () => {
    const turns = new Turns()
    let finish: () => void = () => undefined
    const work = turns.during('settle', () => new Promise<string>((resolve) => { finish = () => { resolve('report') } }))
    expect(turns.take('gc')).toMatchObject({ reason: 'busy', name: 'settle' })
    await expect(turns.during('settle', () => Promise.resolve('another'))).resolves.toBe('another')
    expect(turns.take('gc')).toMatchObject({ reason: 'busy', name: 'settle' })
    finish()
    await expect(work).resolves.toBe('report')
    begun(turns.take('gc'))
  })

  it('what is asked for within the process while another one runs keeps others out once that one is over', async () => {
    const turns = new Turns()
    const done = begun(turns.take('heap'))
    let finish: () => void = () => undefined
    const work = turns.during('settle', () => new Promise<void>((resolve) => { finish = resolve }))
    expect(turns.take('gc')).toMatchObject({ reason: 'busy', name: 'heap' })
    done()
    expect(turns.take('gc')).toMatchObject({ reason: 'busy', name: 'settle' })
    finish()
    await work
    begun(turns.take('gc'))
  })

  it('one that fails is over', async () => {
    const turns = new Turns()
    await expect(turns.during('settle', () => Promise.reject(new Error('failed')))).rejects.toThrow('failed')
    begun(turns.take('gc'))
  })
})
