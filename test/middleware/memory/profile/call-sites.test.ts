import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from '@jest/globals'
import { callSiteOf, callSiteSource, CallSiteTable } from '../../../../middleware/memory/profile/call-sites.js'
import type { HeapSource } from '../../../../middleware/memory/profile/heap-sampler.js'
import type { Stack } from '../../../../middleware/memory/profile/stacks.js'

const MB = 1_048_576

const run = promisify(execFile)

/** `remember@/srv/app/visits.js:15`, innermost first. */
function stack(text: string, bytes: number): Stack {
  const places = text.split(' ').map((part) => {
    const [, name = '', url = '', line] = /^([^@]*)@(.*):(\d+)$/.exec(part) ?? []
    return { name, url, line: Number(line), column: 0, at: 0 }
  })
  return { places, values: [1, bytes] }
}

class Profiles implements HeapSource {
  now: Stack[] = []
  taken = 0

  take(): ReturnType<HeapSource['take']> {
    const total = this.now.reduce((sum, { values: [, bytes = 0] }) => sum + bytes, 0)
    return Promise.resolve({ time: 1000 * ++this.taken, pauseMs: 1, interval: 524_288, total, stacks: this.now })
  }
}

function siteOf(text: string): string {
  const { places } = stack(text, 1)
  const { name, file } = callSiteOf(places.map((place) => ({ name: place.name, file: place.url, line: place.line, at: place.line })))
  return `${name}@${file}`
}

describe('the call site of a stack', () => {
  const modules = '/srv/app/node_modules'

  it('is the innermost function of the app\'s own', () => {
    expect(siteOf('set@:0 put@/srv/app/node_modules/lru/index.js:3 remember@/srv/app/visits.js:15 handler@/srv/app/routes.js:4')).toBe('remember@/srv/app/visits.js')
    expect(siteOf('remember@webpack://app/visits.ts:15 handler@/srv/app/routes.js:4')).toBe('remember@webpack://app/visits.ts')
    expect(siteOf('emit@node:events:1 remember@evalmachine.<anonymous>:15')).toBe('remember@evalmachine.<anonymous>')
  })

  it('is the package that a router called, not the middleware that came before it', () => {
    const under = `next@${modules}/router/index.js:9 logger@/srv/app/logger.js:2`
    expect(siteOf(`alloc@:0 read@${modules}/raw-body/index.js:4 parse@${modules}/body-parser/index.js:7 ${under}`)).toBe(`parse@${modules}/body-parser/index.js`)
    expect(siteOf(`(anonymous@eval:3 render@${modules}/ejs/lib/ejs.js:7 view@${modules}/.pnpm/express@5/node_modules/express/lib/view.js:7 handler@/srv/app/a.js:2`)).toBe(`render@${modules}/ejs/lib/ejs.js`)
    expect(siteOf(`next@${modules}/router/index.js:9 logger@/srv/app/logger.js:2`)).toBe(`next@${modules}/router/index.js`)
    expect(siteOf(`read@node:fs:1 ${under}`)).toBe('read@node:fs')
  })

  it('tells a package by the innermost node_modules', () => {
    expect(siteOf(`f@${modules}/express/node_modules/qs/index.js:1 handler@/srv/app/a.js:2`)).toBe('handler@/srv/app/a.js')
    expect(siteOf(`f@${modules}/@scope/express/index.js:1 handler@/srv/app/a.js:2`)).toBe('handler@/srv/app/a.js')
  })

  it('is the innermost function where there is nothing of the app\'s', () => {
    expect(siteOf('(GC)@:0')).toBe('(GC)@')
    expect(siteOf('read@node:fs:1 tick@node:internal/timers:2')).toBe('read@node:fs')
    expect(siteOf(`read@node:fs:1 poll@${modules}/redis/index.js:2 tick@node:internal/timers:2`)).toBe(`poll@${modules}/redis/index.js`)
    expect(callSiteOf([])).toEqual({ name: '(unknown)', file: '', line: 0, at: 0 })
  })
})

describe('call sites', () => {
  const remember = 'remember@/srv/app/visits.js:15 handler@/srv/app/routes.js:4'

  it('are added up by function, largest first, without growth before there is a mark', async () => {
    const source = new Profiles()
    source.now = [stack('f@/srv/app/a.js:1', MB), stack(remember, MB), stack('set@:0 remember@/srv/app/visits.js:15', 2 * MB), stack('remember@/srv/app/other.js:15', 5)]
    expect(await new CallSiteTable(source).sites()).toEqual({
      mark: null,
      sites: [
        { name: 'remember', url: '/srv/app/visits.js', line: 15, octets: 3 * MB, growth: null },
        { name: 'f', url: '/srv/app/a.js', line: 1, octets: MB, growth: null },
        { name: 'remember', url: '/srv/app/other.js', line: 15, octets: 5, growth: null },
      ],
    })
  })

  it('have grown since the mark, or shrunk', async () => {
    const source = new Profiles()
    const table = new CallSiteTable(source)
    source.now = [stack(remember, MB), stack('f@/srv/app/a.js:1', 3 * MB)]
    const { mark, sites } = await table.mark()
    expect([mark, sites.map(({ growth }) => growth)]).toEqual([1000, [0, 0]])
    source.now = [stack(remember, 4 * MB), stack('f@/srv/app/a.js:1', MB), stack('g@/srv/app/a.js:9', 2 * MB)]
    const after = await table.sites()
    expect([after.mark, after.sites.map(({ name, growth }) => [name, growth])]).toEqual([1000, [['remember', 3 * MB], ['g', 2 * MB], ['f', -2 * MB]]])
  })

  it('are told in bounded number, those that grew among them', async () => {
    const source = new Profiles()
    const table = new CallSiteTable(source)
    const large = Array.from({ length: 80 }, (_, index) => stack(`f@/srv/app/large.js:${String(index)}`, 9 * MB + index))
    source.now = large
    await table.mark()
    source.now = [...large, stack('small@/srv/app/small.js:1', 1000)]
    const { sites } = await table.sites()
    expect(sites).toHaveLength(51)
    expect(sites.at(-1)).toMatchObject({ name: 'small', growth: 1000 })
  })
})

describe('what the endpoint allocates when it reads', () => {
  const memory = new URL('../../../../middleware/memory/', import.meta.url).href
  const taken = `post@node:inspector:112 take@${memory}profile/heap-sampler.js:57 forcing@${memory}sampling/gc-log.js:58`
  const mapped = `isSpace@/srv/app/node_modules/@jridgewell/trace-mapping/a.js:9 fromDisk@${memory}profile/source-maps.js:49`
  const sent = `end@node:_http_outgoing:1034 sendJson@${memory}routes/responses.js:23 sendSites@${memory}routes/profiles.js:9`
  const remember = 'remember@/srv/app/visits.js:15'

  it('is no call site, nor counted for one', async () => {
    const source = new Profiles()
    const table = new CallSiteTable(source)
    source.now = [stack(remember, MB), stack(taken, MB), stack(mapped, MB), stack(sent, MB), stack(`post@node:inspector:112 ${remember}`, MB)]
    expect((await table.mark()).sites.map(({ name, octets }) => [name, octets])).toEqual([['remember', 2 * MB]])
    source.now = [...source.now, stack(taken, 8 * MB)]
    expect((await table.sites()).sites.map(({ name, growth }) => [name, growth])).toEqual([['remember', 0]])
    expect((await callSiteSource(source).grown()).map(({ name }) => name)).toEqual(['remember'])
  })

  it('is not what the endpoint keeps, nor what the app does meanwhile', async () => {
    const source = new Profiles()
    source.now = [stack(`add@${memory}sampling/history.js:44 emit@node:events:471`, MB), stack(`log@/srv/app/logger.js:3 ${sent}`, 2 * MB)]
    expect((await new CallSiteTable(source).sites()).sites.map(({ name }) => name)).toEqual(['log', 'add'])
  })

  it('is told from the app\'s by the names that V8 gives', async () => {
    const { stdout } = await run(process.execPath, [fileURLToPath(new URL('support/reading.js', import.meta.url))])
    const { profile, sites } = JSON.parse(stdout) as { profile: string[]; sites: string[] }
    expect(profile).toContain('take')
    expect(sites).toContain('keepSome')
    expect(sites).not.toContain('take')
  })
})

describe('call sites for the verdict', () => {
  it('are those that grew by more than chance, most grown first', async () => {
    const source = new Profiles()
    const { mark, grown } = callSiteSource(source)
    source.now = [stack('f@/srv/app/a.js:1', 3 * MB), stack('g@/srv/app/a.js:2', MB)]
    await mark()
    source.now = [stack('f@/srv/app/a.js:1', 3 * MB + 400_000), stack('g@/srv/app/a.js:2', 2 * MB), stack('h@/srv/app/a.js:3', 8 * MB)]
    expect(await grown()).toEqual([
      { name: 'h', url: '/srv/app/a.js', line: 3, growth: 8 * MB },
      { name: 'g', url: '/srv/app/a.js', line: 2, growth: MB },
    ])
  })

  it('have grown since sampling began where no mark was set', async () => {
    const source = new Profiles()
    source.now = [stack('f@/srv/app/a.js:1', MB)]
    expect(await callSiteSource(source).grown()).toEqual([{ name: 'f', url: '/srv/app/a.js', line: 1, growth: MB }])
  })
})
