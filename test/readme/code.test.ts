/** Every block of JavaScript in the README and in docs/ is run, every block of TypeScript is compiled. */
import { execFile } from 'node:child_process'
import http from 'node:http'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { gateway } from 'express-responder'
import { createClient } from 'redis'
import request from 'supertest'
import { Role } from '../../lib/fastcgi/record.js'
import { describeIfInstalled } from '../proxies/support/installed.js'
import { FastCgiClient } from '../support/fastcgi-client.js'
import { readResponse, type HttpResponse } from '../support/http.js'
import { nginxParams } from '../support/nginx-params.js'
import { REDIS, RedisServer } from '../support/redis-server.js'
import { codeBlocks, codeIn, documentation, page, root, tableBelow } from './support/markdown.js'
import { Project, STATS_TOKEN } from './support/project.js'

const COMPILER_TIMEOUT = 120_000
const OPTIONS = 'docs/reference/options.md'

/** These have a test of their own. */
const OTHERS = new Set(['docs/migrating.md', 'docs/testing.md'])
/** Where each block of code stands, by its name. */
const blocks = documentation
  .filter((path) => !OTHERS.has(path))
  .flatMap((path) => codeBlocks(page(path)).map((found) => ({ ...found, id: `${path} ${found.name}` })))
const projects: Project[] = []
const used = new Set<string>()

afterEach(async () => {
  for (const project of projects.splice(0)) await project.remove()
})

async function createProject(): Promise<Project> {
  const project = await Project.create()
  projects.push(project)
  return project
}

function block(path: string, name: string): string {
  const id = `${path} ${name}`
  const found = blocks.filter((candidate) => candidate.id === id)
  if (found[0] === undefined || found.length > 1) throw new Error(`${path} has ${String(found.length)} blocks of code with name=${name}`)
  used.add(id)
  return found[0].text
}

/** One request to a program that speaks FastCGI. */
async function ask(socket: string, role: number, extra: Record<string, string>, data?: string): Promise<[number, Record<string, string>, string]> {
  const client = await FastCgiClient.connect(socket)
  const asked = { role, params: nginxParams({ extra }) }
  const { status, headers, body } = await client.request(data === undefined ? asked : { ...asked, data })
  await client.destroy()
  return [status, headers, body.toString()]
}

function getOver(socketPath: string): Promise<HttpResponse> {
  return new Promise((resolve, reject) => {
    http
      .get({ socketPath, path: '/', agent: false }, (response) => {
        resolve(readResponse(response))
      })
      .on('error', reject)
  })
}

describe('the JavaScript in the pages runs', () => {
  it.each([
    ['README.md', 'esm', 'program.js', 'ready'],
    ['docs/getting-started.md', 'esm', 'program.js', 'ready'],
    ['docs/getting-started.md', 'commonjs', 'program.cjs', 'listening on'],
  ])('%s, %s: serves an app until SIGTERM', async (path, name, file, sign) => {
    const project = await createProject()
    const program = await project.run(file, block(path, name), sign)
    const answer = await request(gateway(project.socket)).get('/')
    expect(answer.text).toMatch(/^Hello \S*127\.0\.0\.1, by http$/)
    expect(await program.stop()).toBe(0)
  })

  it('create-server: a server of one’s own, below a prefix', async () => {
    const project = await createProject()
    await project.run('program.js', block('docs/reference/api.md', 'create-server'))
    const front = gateway(project.socket, { params: { REMOTE_USER: 'alice' } })
    expect((await request(front).get('/shop/whoami')).body).toEqual({ user: 'alice' })
  })

  it('authorizer: lets on who is known, asks others for a password', async () => {
    const project = await createProject()
    const program = await project.run('program.js', block('docs/reference/roles.md', 'authorizer'))
    const [allowed, variables] = await ask(project.socket, Role.AUTHORIZER, { REMOTE_USER: 'alice', REMOTE_PASSWD: 'secret' })
    expect([allowed, variables['variable-user_group']]).toEqual([200, 'staff'])
    const [refused, headers] = await ask(project.socket, Role.AUTHORIZER, { REMOTE_USER: 'alice', REMOTE_PASSWD: 'wrong' })
    expect([refused, headers['www-authenticate']]).toEqual([401, 'Basic realm="app"'])
    expect(await program.stop()).toBe(0)
  })

  it('filter: filters a file', async () => {
    const project = await createProject()
    await project.run('program.js', block('docs/reference/roles.md', 'filter'))
    expect(await ask(project.socket, Role.FILTER, {}, 'the file')).toEqual([200, expect.anything(), 'THE FILE'])
    expect(await ask(project.socket, Role.RESPONDER, {})).toEqual([500, expect.anything(), 'not asked as a filter'])
  })

  it('stop: the app hears when every request was answered', async () => {
    const project = await createProject()
    const program = await project.run('program.js', block('docs/deploy/restarts.md', 'stop'))
    expect((await request(gateway(project.socket)).get('/')).text).toBe('Hello World!')
    expect(await program.stop()).toBe(0)
    expect(program.output).toContain('every request was answered')
  })

  it('replace: the next process takes the name, and the one before leaves it', async () => {
    const project = await createProject()
    const old = await project.run('program.js', block('docs/deploy/restarts.md', 'replace'))
    const next = await project.run('program.js', block('docs/deploy/restarts.md', 'replace'))
    expect(await old.stop()).toBe(0)
    expect((await request(gateway(project.socket)).get('/')).text).toBe('Hello World!')
    expect(await next.stop()).toBe(0)
  })

  it('cluster: workers share the socket until their primary is told to end', async () => {
    const project = await createProject()
    const program = await project.run('program.js', block('docs/deploy/restarts.md', 'cluster'))
    // The primary is ready as soon as it has started them.
    let answer = await request(gateway(project.socket)).get('/')
    while (answer.status !== 200) answer = await request(gateway(project.socket)).get('/')
    expect(answer.text).toBe('Hello World!')
    expect(await program.stop()).toBe(0)
  })

  it('recovery: a late failure is answered, and the app lives', async () => {
    const project = await createProject()
    const program = await project.run('program.js', block('docs/middleware/recovery.md', 'recovery'))
    const front = gateway(project.socket)
    expect((await request(front).get('/later')).status).toBe(500)
    expect((await request(front).get('/')).text).toBe('Hello World!')
    expect(await program.stop()).toBe(0)
    expect(program.output).toMatch(/^urn:uuid:\S+ \/later timer before-headers thrown where nobody can catch it$/m)
  })

  it('recovery-callbacks: binds the callbacks of a pool', async () => {
    const project = await createProject()
    const before = "import pg from 'pg'\nconst own = pg.Pool.prototype.query\n"
    const program = await project.run('program.js', `${before}${block('docs/middleware/recovery.md', 'recovery-callbacks').replace(/^import pg.*\n/, '')}\nconsole.log(own !== pg.Pool.prototype.query)`, 'ready')
    expect(program.output).toContain('true')
  })

  it('concurrency: answers, and tells of itself', async () => {
    const project = await createProject()
    const program = await project.run('program.js', block('docs/middleware/concurrency.md', 'concurrency'))
    const front = gateway(project.socket)
    expect((await request(front).get('/')).text).toBe('Hello World!')
    expect((await request(front).get('/cap')).body).toMatchObject({ active: 1, waiting: 0, limit: 10_000, rejected: { loop: 0 } })
    expect(await program.stop()).toBe(0)
  })

  it.each(['rate-limit', 'suite'])('%s: counts each client’s requests', async (name) => {
    const project = await createProject()
    const program = await project.run('program.js', block(`docs/middleware/${name}.md`, name))
    const { headers, text } = await request(gateway(project.socket)).get('/')
    expect([text, headers['ratelimit']]).toEqual(['Hello World!', expect.stringContaining('r=599')])
    expect(await program.stop()).toBe(0)
  })

  it('memory: answers who may ask', async () => {
    const project = await createProject()
    const program = await project.run('program.js', block('docs/middleware/memory.md', 'memory'))
    const front = gateway(project.socket)
    expect((await request(front).get('/debug/pprof/memstats')).status).toBe(403)
    const { body } = await request(front).get('/debug/pprof/memstats').set('Authorization', `Bearer ${STATS_TOKEN}`) as { body: { verdict: { state: string } } }
    expect(body.verdict.state).toBe('warming')
    expect(await program.stop()).toBe(0)
  })

  it.each(['README.md', 'docs/middleware/README.md'])('%s, all: the four middlewares in their order', async (path) => {
    const project = await createProject()
    const program = await project.run('program.js', block(path, 'all'))
    const front = gateway(project.socket)
    const { headers, text } = await request(front).get('/')
    expect([text, headers['ratelimit']]).toEqual(['Hello World!', expect.stringContaining('r=599')])
    const stats = request(front).get('/debug/pprof/memstats')
    expect((await stats.set('Authorization', `Bearer ${STATS_TOKEN}`)).status).toBe(200)
    expect((await request(front).get('/debug/pprof/memstats')).status).toBe(403)
    expect(await program.stop()).toBe(0)
  })

  it('metrics: the figures of three on one registry', async () => {
    const project = await createProject()
    const program = await project.run('program.js', block('docs/middleware/README.md', 'metrics'))
    const { text } = await request(gateway(project.socket)).get('/metrics')
    for (const line of ['recovery_given_up{part="shop"} 0', 'concurrency_limit_active{part="shop"} 1', 'rate_limit_passed_total{part="shop"} 1']) expect(text).toContain(`\n${line}\n`)
    expect(await program.stop()).toBe(0)
  })

  it('which-errors: tells the errors of the package from others', async () => {
    const project = await createProject()
    const errors = `import { ThrownValueError } from 'express-responder/recovery'\nfor (const error of [new ThrownValueError('x'), new Error('x')]) console.log(describe(error))`
    const program = await project.run('program.js', `${block('docs/reference/errors.md', 'which-errors')}\n${errors}`, 'ready')
    expect(program.output).toContain('ERR_RECOVERY_THROWN_VALUE\nan error of the app or of Node.js\n')
  })

  it('docs/go-article.md: each counterpart serves the app', async () => {
    const names = ['recover', 'cap', 'heap', 'socket']
    const before = `import { serve } from 'express-responder'
import { concurrencyLimit, memoryStats, recovery } from 'express-responder/middleware'
import { app } from './app.js'
const authorize = () => true
`
    const project = await createProject()
    const program = await project.run('program.js', before + names.map((name) => block('docs/go-article.md', name)).join('\n'))
    const front = gateway(project.socket)
    expect((await request(front).get('/')).text).toBe('Hello World!')
    expect((await request(front).get('/debug/pprof/memstats')).status).toBe(200)
    expect(await program.stop()).toBe(0)
  })

  it('prepared: serves an app over plain HTTP', async () => {
    const project = await createProject()
    await project.run('program.js', block('docs/plain-http.md', 'prepared'))
    const answer = await getOver(project.front)
    expect([answer.status, answer.body.toString()]).toEqual([200, 'Hello World!'])
  })

  it('try: asks an app with no web server', async () => {
    const project = await createProject()
    await project.run('program.js', block('docs/middleware/concurrency.md', 'concurrency'))
    await project.run('try.js', block('docs/getting-started.md', 'try'))
    const answer = await getOver(project.front)
    expect([answer.status, answer.body.toString()]).toEqual([200, 'Hello World!'])
  })
})

const WITH_REDIS = {
  'lease': block('docs/middleware/concurrency-shared.md', 'lease'),
  'rate-limit-redis': block('docs/middleware/rate-limit.md', 'rate-limit-redis'),
}
describeIfInstalled(REDIS, 'the JavaScript in the pages that needs Redis runs', () => {
  let redis: RedisServer
  beforeAll(async () => { redis = await RedisServer.start() })
  afterAll(() => redis.stop())

  it.each(Object.entries(WITH_REDIS))('%s: answers, and leaves something in Redis', async (_, text) => {
    const project = await createProject()
    const client = createClient({ url: redis.url })
    await client.connect()
    try {
      await client.flushAll()
      // A Redis that has just started leases nothing for as long as a lease lasts: one second here.
      const program = await project.run('program.js', text.replace('redis://127.0.0.1:6379', redis.url).replace('limit: 100 }', 'limit: 100, ttl: 1000 }'))
      let answer = await request(gateway(project.socket)).get('/')
      while (answer.status === 503) answer = await request(gateway(project.socket)).get('/')
      expect(answer.text).toBe('Hello World!')
      expect(await client.dbSize()).toBe(1)
      expect(await program.stop()).toBe(0)
    } finally {
      client.destroy()
    }
  })
})

describe('the TypeScript in the pages compiles', () => {
  /** Names of options in a table of a page, as a value of the type that has them. */
  const table = (path: string, heading: string, type: string): string => {
    const names = tableBelow(page(path), heading).map(([name]) => codeIn(name))
    return `export const ${heading.toLowerCase().replaceAll(' ', '')}: Record<${type}, true> = { ${names.map((name) => `'${name}': true`).join(', ')} }\n`
  }

  it(
    'in ESM and CommonJS, and the tables name every option and no other',
    async () => {
      const project = await createProject()
      await project.write('esm.mts', block('docs/getting-started.md', 'typescript'))
      await project.write('commonjs.cts', block('docs/getting-started.md', 'typescript'))
      await project.write('tracker.mts', block('docs/middleware/recovery.md', 'recovery-tracker'))
      await project.write(
        'tables.mts',
        'import type { RecoveryOptions } from \'express-responder/recovery\'\n' +
          'import type { ConcurrencyLimitOptions, RedisLeaseOptions } from \'express-responder/concurrency\'\n' +
          'import type { Options } from \'express-rate-limit\'\n' +
          'import type { RateLimitOptions } from \'express-responder/rate-limit\'\n' +
          'import type { MemoryStatsOptions } from \'express-responder/memory\'\n' +
          'import type { GatewayOptions, Limits, ServeOptions, ServerOptions, Timeouts } from \'express-responder\'\n' +
          table(OPTIONS, 'Server options', 'keyof ServerOptions') +
          table(OPTIONS, 'Serve options', 'Exclude<keyof ServeOptions, keyof ServerOptions>') +
          table(OPTIONS, 'Gateway options', 'keyof GatewayOptions') +
          table(OPTIONS, 'Recovery options', 'keyof RecoveryOptions') +
          table(OPTIONS, 'Concurrency options', 'keyof ConcurrencyLimitOptions') +
          table(OPTIONS, 'Memory options', 'keyof MemoryStatsOptions') +
          table(OPTIONS, 'Lease options', 'keyof RedisLeaseOptions') +
          table(OPTIONS, 'Rate limit options', 'Exclude<keyof RateLimitOptions, keyof Options>') +
          table('docs/reference/limits.md', 'Limits', '`limits.${keyof Limits}`') +
          table('docs/reference/limits.md', 'Timeouts', '`timeouts.${keyof Timeouts}`'),
      )
      const compilerOptions = { module: 'nodenext', target: 'es2022', strict: true, noEmit: true, skipLibCheck: true, types: ['node'] }
      await project.write('tsconfig.json', JSON.stringify({ compilerOptions, include: ['*.mts', '*.cts'] }))
      const tsc = join(root, 'node_modules/typescript/bin/tsc')
      const complaints = await promisify(execFile)(process.execPath, [tsc, '--project', project.directory]).then(
        () => '',
        (error: unknown) => (typeof error === 'object' && error !== null && 'stdout' in error ? String(error.stdout) : String(error)),
      )
      expect(complaints).toBe('')
    },
    COMPILER_TIMEOUT,
  )
})

it('no block of JavaScript or TypeScript is left out', () => {
  const named = blocks.filter(({ language }) => language === 'js' || language === 'ts')
  expect(named.map(({ id }) => id).filter((id) => !used.has(id))).toEqual([])
})
