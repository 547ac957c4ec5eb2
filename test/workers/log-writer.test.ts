/** The log writer against real files, pipes, and a disk that is full. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals'
import { acquireLogWriter, LogWriter, releaseLogWriter } from '../../lib/workers/log-writer.js'

let directory: string
const program = fileURLToPath(new URL('programs/writes-lines.js', import.meta.url))

beforeEach(() => { directory = mkdtempSync(join(tmpdir(), 'writer-')) })
afterEach(() => { rmSync(directory, { recursive: true }) })

describe('a log', () => {
  it('is shared by all that write to one file', async () => {
    const path = join(directory, 'log')
    const [one, other] = [acquireLogWriter(path, 'accessLog'), acquireLogWriter(path, 'slowLogFile')]
    expect(other).toBe(one)
    one.write('first')
    await releaseLogWriter(one)
    other.write('second')
    await releaseLogWriter(other)
    expect(readFileSync(path, 'utf8')).toBe('first\nsecond\n')
  })

  it('is written without anybody closing it', async () => {
    const path = join(directory, 'log')
    const writer = new LogWriter(path, 'accessLog')
    writer.write('a line')
    while (readFileSync(path, 'utf8') === '') await new Promise((resolve) => setTimeout(resolve, 5))
    expect(readFileSync(path, 'utf8')).toBe('a line\n')
    await writer.close()
  })

  it('keeps the lines of a process that ends at once', async () => {
    const path = join(directory, 'log')
    const child = spawn(process.execPath, [program, path, 'exit', '1000'], { stdio: 'inherit' })
    expect(await once(child, 'exit')).toEqual([0, null])
    expect(readFileSync(path, 'utf8').split('\n')).toHaveLength(1001)
  })

  it.each([['a file', 'file'], ['a pipe', 'pipe']])('keeps the lines whole that several processes write to %s', async (_, kind) => {
    const path = join(directory, 'log')
    const target = kind === 'file' ? path : '-'
    const command = Array.from({ length: 3 }, (_each, index) => `'${process.execPath}' '${program}' '${target}' ${String(index)} 4000 &`).join(' ')
    const child = spawn('sh', ['-c', `(${command} wait)${kind === 'file' ? '' : ` | cat > '${path}'`}`], { stdio: 'inherit' })
    await once(child, 'exit')
    const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1)
    expect(lines).toHaveLength(12_000)
    expect(lines.filter((line) => !/^\d \d+ x{200}$/.test(line))).toEqual([])
  })

  const canFill = existsSync('/dev/full')
  it.each(canFill ? ['/dev/full'] : [])('on a full disk (%s) loses lines, says so once, and holds nobody up', async (full) => {
    const warnings: string[] = []
    const emit = jest.spyOn(process, 'emitWarning').mockImplementation((warning, options) => { warnings.push(`${String((options as { code?: string }).code)} ${String(warning)}`) })
    const writer = new LogWriter(full, 'accessLog')
    writer.write('lost')
    while (warnings.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    for (let index = 0; index < 100_000; index++) writer.write('x'.repeat(200))
    expect(writer.lost).toBeGreaterThan(1)
    await writer.close()
    emit.mockRestore()
    expect(writer.lost).toBe(100_001)
    expect(warnings).toEqual([expect.stringMatching(/^ERR_FCGI_LOG_FILE the log \/dev\/full: it cannot be written \(ENOSPC\)/)])
  })

  it('waits for nobody who reads: a pipe that nobody reads is refused, one that is full loses lines', async () => {
    const path = join(directory, 'fifo')
    await once(spawn('mkfifo', [path]), 'exit')
    expect(() => new LogWriter(path, 'accessLog')).toThrow(expect.objectContaining({ code: 'ERR_FCGI_LOG_FILE', message: expect.stringContaining('ENXIO') }))
    const reader = openSync(path, 0o4000)
    const writer = new LogWriter(path, 'accessLog')
    for (let index = 0; index < 100_000; index++) writer.write('x'.repeat(200))
    expect(writer.lost).toBeGreaterThan(50_000)
    await writer.close()
    expect(writer.lost).toBeLessThan(100_000)
    closeSync(reader)
  })
})
