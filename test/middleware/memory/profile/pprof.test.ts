import { gunzipSync } from 'node:zlib'
import { describe, expect, it } from '@jest/globals'
import { Profile } from 'pprof-format'
import { encodePprof, type PprofInput } from '../../../../middleware/memory/profile/pprof.js'
import type { Frame } from '../../../../middleware/memory/profile/stacks.js'

function frame(name: string, file: string, line: number, at = line): Frame {
  return { name, file, line, at }
}

const handler = frame('handler', '/srv/app.ts', 4)
const input: PprofInput = {
  stacks: [
    { frames: [frame('remember', '/srv/visits.ts', 15, 17), handler], values: [2, 1_048_600] },
    { frames: [frame('remember', '/srv/visits.ts', 15, 18), handler], values: [0, -5_000_000_000] },
    { frames: [frame('remember', '/srv/other.ts', 15)], values: [-1, 7] },
  ],
  types: [{ type: 'samples', unit: 'count' }, { type: 'inuse_space', unit: 'bytes' }],
  period: { type: 'space', unit: 'bytes', value: 524_288 },
  time: 1_700_000_000_123,
  duration: 2500.4,
  comments: ['one', 'two'],
}

describe('profile.proto', () => {
  it('has stacks, functions with their files and lines, types and times, each thing once', async () => {
    const profile = Profile.decode(gunzipSync(await encodePprof(input)))
    const text = (index: number | bigint): string | undefined => profile.stringTable.strings[Number(index)]
    const functions = new Map(profile.function.map(({ id, name, filename, startLine }) => [id, `${String(text(name))} ${String(text(filename))}:${String(startLine)}`]))
    const locations = new Map(profile.location.map(({ id, line: [line] }) => [id, `${String(functions.get(line?.functionId ?? 0))} at ${String(line?.line)}`]))
    expect(profile.sample.map(({ locationId, value }) => [locationId.map((id) => locations.get(id)), value.map((of) => BigInt.asIntN(64, BigInt(of)))])).toEqual([
      [['remember /srv/visits.ts:15 at 17', 'handler /srv/app.ts:4 at 4'], [2n, 1_048_600n]],
      [['remember /srv/visits.ts:15 at 18', 'handler /srv/app.ts:4 at 4'], [0n, -5_000_000_000n]],
      [['remember /srv/other.ts:15 at 15'], [-1n, 7n]],
    ])
    expect([profile.function.length, profile.location.length]).toEqual([3, 4])
    expect(profile.sampleType.map(({ type, unit }) => [text(type), text(unit)])).toEqual([['samples', 'count'], ['inuse_space', 'bytes']])
    expect([text(profile.defaultSampleType), text(profile.periodType?.type ?? 0), Number(profile.period)]).toEqual(['inuse_space', 'space', 524_288])
    expect([BigInt(profile.timeNanos), BigInt(profile.durationNanos)]).toEqual([1_700_000_000_123_000_000n, 2_500_000_000n])
    expect(profile.comment.map(text)).toEqual(['one', 'two'])
  })

  it('needs no symbols from elsewhere, and no demangling', async () => {
    const profile = Profile.decode(gunzipSync(await encodePprof(input)))
    expect(profile.mapping).toMatchObject([{ id: 1, hasFunctions: true, hasFilenames: true, hasLineNumbers: true }])
    expect(profile.location.map(({ mappingId }) => mappingId)).toEqual([1, 1, 1, 1])
    expect(profile.function.map(({ systemName }) => systemName)).toEqual([0, 0, 0])
  })

  it('may be empty', async () => {
    const profile = Profile.decode(gunzipSync(await encodePprof({ ...input, stacks: [], comments: [] })))
    expect(profile.sample).toEqual([])
  })
})
