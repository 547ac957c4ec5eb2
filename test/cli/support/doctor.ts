/** The doctor before real web servers: each starts in a workspace of its own, with the doctor in the app's place. */
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import type { AppPlace } from '../../../lib/cli/doctor/app-place.js'
import { diagnose, type Diagnosis, type DoctorOptions } from '../../../lib/cli/doctor/diagnose.js'
import type { FindingCode } from '../../../lib/cli/doctor/finding.js'
import { describeIfInstalled } from '../../proxies/support/installed.js'
import type { WebServer } from '../../proxies/support/web-server.js'
import { createWorkspace, type Workspace } from '../../proxies/support/workspace.js'

const STARTING_LIMIT_MS = 180_000
/** Starting more at once only makes each of them slower. */
const AT_ONCE = 6

/** One web server whose configuration is broken, and what the doctor has to say. */
export interface Broken {
  readonly title: string
  readonly server: WebServer
  readonly code: FindingCode
  /** What the line to write contains; the workspace's socket is written as SOCKET, its port as 9000. */
  readonly line: string
  /** What the evidence contains. */
  readonly evidence?: string
  readonly options?: Partial<DoctorOptions>
  /** Adds to the workspace before the web server starts. */
  readonly prepare?: (workspace: Workspace) => Promise<void>
}

/** What a test does to a configuration before its web server starts. */
export type Edit = (text: string) => string

/** One piece of text in the place of another, which has to be there. */
export function replaced(before: string | RegExp, after: string): Edit {
  return (text) => {
    const edited = text.replace(before, () => after)
    if (edited === text) throw new Error(`the example has no ${String(before)}`)
    return edited
  }
}

/** All options of a check in which the doctor stands in for the app. */
export function optionsFor(at: string | AppPlace, url: URL | undefined, given: Partial<DoctorOptions> = {}): DoctorOptions {
  return {
    place: typeof at === 'string' ? { kind: 'socket', path: at } : at, url, host: undefined, server: undefined, user: undefined, listen: 'always', headers: [], uploadBytes: 2 * 1024 ** 2, timeout: 10_000,
    access: { mode: undefined, owner: undefined, group: undefined }, ...given,
  }
}

/** What the doctor has said, and where the app was to be. */
type Examined = Diagnosis & Pick<Workspace, 'socket' | 'appPort'>

/** Starts the server, and asks the doctor of the socket or of the port, as the server has it. */
export async function examine(server: WebServer, options: Partial<DoctorOptions> = {}, prepare?: Broken['prepare']): Promise<Examined> {
  const workspace = await createWorkspace()
  try {
    await prepare?.(workspace)
    const web = await server.start(workspace)
    try {
      const { socket, appPort } = workspace
      const diagnosis = await diagnose(optionsFor(server.appOn === 'socket' ? socket : { kind: 'port', host: '127.0.0.1', port: appPort }, new URL(`${web.origin}/`), options))
      return { ...diagnosis, socket, appPort }
    } finally {
      await web.stop()
    }
  } finally {
    await workspace.remove()
  }
}

/** A test for each: the doctor names the line, and nothing else. */
export function describeBroken(title: string, requirement: WebServer, broken: readonly Broken[]): void {
  describeIfInstalled(requirement, title, () => {
    const results = new Map<string, Examined | Error>()
    beforeAll(async () => {
      const waiting = [...broken]
      await Promise.all(Array.from({ length: AT_ONCE }, async () => {
        for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
          results.set(next.title, await examine(next.server, next.options, next.prepare).catch((error: unknown) => error as Error))
        }
      }))
    }, STARTING_LIMIT_MS)
    afterAll(() => {
      results.clear()
    })
    it.each(broken.map((each) => [each.title, each] as const))('%s', (name, { code, line, evidence = '' }) => {
      const result = results.get(name)
      if (result === undefined || result instanceof Error) throw result ?? new Error('it was not examined')
      expect(result.findings.map((finding) => [finding.code, finding.line.replaceAll(result.socket, 'SOCKET').replaceAll(String(result.appPort), '9000')])).toEqual([[code, expect.stringContaining(line)]])
      expect(result.findings[0]?.evidence).toContain(evidence)
    })
  })
}
