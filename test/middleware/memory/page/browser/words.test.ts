import { describe, expect, it } from '@jest/globals'
import { factsOf, ordered, partName, pprofCommand, siteAddress, siteName, sitesSentence, spaceMeaning, verdictTitle } from '../../../../../middleware/memory/page/browser/words.js'
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
