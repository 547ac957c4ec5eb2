import { describe, expect, it } from '@jest/globals'
import { factsOf, growth, memory, milliseconds, moment, ordered, partName, percent, perSecond, pprofCommand, siteAddress, siteName, sitesSentence, spaceMeaning, span, tick, verdictTitle } from '../../../../../middleware/memory/page/browser/text.js'
import { CALL_SITES, NOW, verdictOf } from '../histories.js'

describe('the verdict', () => {
  const facts = (state: Parameters<typeof verdictOf>[0]): Record<string, string> =>
    Object.fromEntries(factsOf(verdictOf(state), NOW).map(({ name, value, note }) => [name, `${value}, ${note}`]))

  it('has its evidence in words', () => {
    expect(facts('native-growth')).toMatchObject({
      Slope: '+21.6 MB, an hour, of the native memory',
      'Time to the limit': '31 hours, until the cgroup’s limit',
      Growth: '+25.2 MB, in 70 minutes; noise ±1.4 MB',
      Level: '131 MB, median of the native memory',
      'Collections judged': '214, 31 periods, 12 needed; at like load',
    })
    expect(facts('ok')['Time to the limit']).toBe('none in sight, at this slope')
  })

  it('says only how far it is while it is too early', () => {
    expect(Object.keys(facts('warming'))).toEqual(['Collections judged', 'Since'])
    expect(facts('warming')['Collections judged']).toBe('17, 5 periods, 12 needed; those of the first minutes do not count')
    expect(factsOf({ ...verdictOf('warming'), since: 0 }, NOW).at(-1)).toEqual({ name: 'Since', value: 'the start', note: '' })
  })

  it('gives the smallest slopes by the day', () => {
    const verdict = verdictOf('ok')
    expect(factsOf({ ...verdict, evidence: { ...verdict.evidence, bytesPerSecond: 10 } }, NOW)[0]).toMatchObject({ value: '+864 KB', note: 'a day, of the live heap' })
  })

  it('has a title that says nothing twice', () => {
    for (const state of ['warming', 'ok', 'growing', 'leak-suspected', 'native-growth'] as const) {
      expect(verdictOf(state).sentence.toLowerCase()).not.toContain(verdictTitle(state).toLowerCase())
    }
    expect(verdictTitle('warming')).toBe('Warming up')
  })

  it('shows states that it does not know', () => {
    expect([verdictTitle('ok'), verdictTitle('haunted'), verdictTitle('constructor')]).toEqual(['No leak in sight', 'haunted', 'constructor'])
  })
})

describe('names', () => {
  it.each([
    [siteName({ name: '' }), '(anonymous)'], [siteName({ name: 'remember' }), 'remember'],
    [siteAddress({ url: 'file:///srv/a.js', line: 7 }), '/srv/a.js:7'], [siteAddress({ url: 'node:events', line: 0 }), 'node:events'],
    [siteAddress({ url: '', line: 0 }), 'native code or V8 itself'],
    [spaceMeaning('new_space'), 'Young objects, collected often'], [spaceMeaning('outer_space'), ''], [spaceMeaning('constructor'), ''],
    [partName('freePages'), 'Free pages of V8'], [partName('toString'), 'toString'],
  ])('%s', (found, wanted) => {
    expect(found).toBe(wanted)
  })
})

describe('call sites', () => {
  const names = (marked: boolean): string[] => ordered(CALL_SITES.sites, marked).map(({ name }) => name)

  it('are ordered by size, and by growth where there is a mark', () => {
    expect(names(false).slice(0, 2)).toEqual(['compile', 'remember'])
    expect(names(true)).toEqual(['remember', 'Cart.addItem', '(V8 API)', 'compile', 'wrapSafe', ''])
  })

  it('say how many they are', () => {
    expect(sitesSentence(0, 0, null, NOW)).toContain('empty')
    expect(sitesSentence(1, 1, null, NOW)).toBe('1 call site, largest first. No mark is set.')
    expect(sitesSentence(1200, 30, NOW, NOW)).toMatch(/^The first 30 of 1,200 call sites, most grown first since the mark of /)
  })
})

describe('the command', () => {
  it.each([
    ['http://[::1]:80/debug/pprof/heap', "go tool pprof 'http://[::1]:80/debug/pprof/heap'"],
    ['http://a.example/heap', 'go tool pprof http://a.example/heap'],
    ['http://a.example/heap?seconds=30&pid=2', "go tool pprof 'http://a.example/heap?seconds=30&pid=2'"],
    ["http://a.example/it's;$(x)/heap", "go tool pprof 'http://a.example/it%27s;$(x)/heap'"],
  ])('for %s is safe in a shell', (address, command) => {
    expect(pprofCommand(address)).toBe(command)
  })
})

describe('values', () => {
  it.each([
    [memory(null), '–'], [memory(24_100_000), '24.1 MB'],
    [growth(null), '–'], [growth(5_300_000), '+5.3 MB'], [growth(-400_000), '−400 KB'], [growth(0), '0 B'],
    [perSecond(null), '–'], [perSecond(0), '0'], [perSecond(0.25), '0.3'], [perSecond(1234.5), '1,235'],
    [milliseconds(null), '–'], [milliseconds(0.04), '0.0 ms'], [milliseconds(152.3), '152 ms'], [milliseconds(4321), '4.3 s'], [milliseconds(64_000), '64 s'],
    [percent(62, 100), '62 %'], [percent(1, 1000), '<1 %'], [percent(0, 5), '0 %'], [percent(5, 0), '–'],
    [span(0), '0 seconds'], [span(1), '1 second'], [span(59), '59 seconds'], [span(7200), '2 hours'],
  ])('%s reads %s', (found, wanted) => {
    expect(found).toBe(wanted)
  })
})

describe('times', () => {
  const at = (day: number, hour: number, minute = 0, second = 0): number => new Date(2026, 10, day, hour, minute, second).getTime()

  it('name the day where it is not today', () => {
    expect(moment(at(25, 9, 5), at(25, 14))).not.toMatch(/Wed/)
    expect(moment(at(25, 9, 5), at(26, 14))).toMatch(/^Wed .*9.05/)
  })

  it('are as fine as the step', () => {
    expect(tick(at(25, 9, 5, 15), 15_000)).toMatch(/9.05.15/)
    expect(tick(at(25, 9, 5), 300_000)).toMatch(/9.05(?!.\d)/)
    expect(tick(at(25, 0), 3 * 3_600_000)).toBe('Wed 25')
    expect(tick(at(25, 0), 60_000)).not.toContain('Wed')
  })
})
