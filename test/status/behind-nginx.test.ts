/** The status socket behind a real nginx, with the lines that docs/deploy/status.md shows. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from '@jest/globals'
import { StatusReporter } from '../../lib/status/status-reporter.js'
import { startStatusServer } from '../../lib/status/status-server.js'
import { codeBlocks, page } from '../readme/support/markdown.js'
import { describeIfInstalled } from '../proxies/support/installed.js'
import { freePort } from '../proxies/support/ports.js'
import { findProgram } from '../proxies/support/programs.js'
import { FakePool } from './pool.js'

const nginx = findProgram('nginx')

describeIfInstalled({ package: 'nginx', installed: nginx !== undefined }, 'nginx in front of the status socket', () => {
  it('shows the page, its files and the metrics, with the lines of the documentation', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'status-'))
    const socket = join(directory, 'status.sock')
    const reporter = new StatusReporter({ observer: new FakePool() })
    const server = await startStatusServer({ socket, reporter })
    const port = await freePort()
    const block = codeBlocks(page('docs/deploy/status.md')).find(({ text }) => text.includes('proxy_pass'))?.text.replace('/run/app/status.sock', socket) ?? ''
    const folders = ['client_body', 'fastcgi', 'proxy', 'scgi', 'uwsgi'].map((kind) => `${kind}_temp_path ${directory}/${kind};`).join(' ')
    writeFileSync(join(directory, 'nginx.conf'), `daemon off; ${process.getuid?.() === 0 ? 'user root;' : ''} worker_processes 1; pid ${directory}/pid; error_log stderr crit;
      events {} http { ${folders} access_log off; server { listen 127.0.0.1:${String(port)}; ${block} } }`)
    const child = spawn(nginx ?? 'nginx', ['-c', join(directory, 'nginx.conf'), '-p', directory, '-e', 'stderr'], { stdio: 'ignore' })
    const ended = once(child, 'exit')
    const origin = `http://127.0.0.1:${String(port)}/internal/status/`
    while (!await fetch(origin).then(() => true, () => false)) await new Promise((resolve) => setTimeout(resolve, 10))
    const answers = await Promise.all(['', 'page.js', 'status?full', 'status.json', 'metrics', 'readyz'].map(async (path) => {
      const response = await fetch(new URL(path, origin))
      return [response.status, (await response.text()).slice(0, 15)]
    }))
    child.kill()
    await ended
    await server.close()
    reporter.close()
    rmSync(directory, { recursive: true })
    expect(answers).toEqual([
      [200, '<!doctype html>'], [200, expect.any(String)], [200, 'address:       '], [200, expect.stringMatching(/^\{"time":/)], [200, expect.stringMatching(/^# TYPE express/)], [200, 'ok\n'],
    ])
  })
})
