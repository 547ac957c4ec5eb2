/** What `npm run soak` can do: the tests that take minutes, and show what they have seen. */
import type { Command } from '../command-line.js'

export const PROGRAM = 'npm run soak --'

export const COMMANDS: Readonly<Record<string, Command>> = {
  'recovery-matrix': { summary: 'every kind of failure in every phase, over every transport, on both versions of Express', load: () => import('./recovery-matrix.js') },
  'recovery-endurance': { summary: '100,000 late failures in a row, and 100 uploads that fail early', load: () => import('./recovery-endurance.js') },
  'recovery-pools': { summary: 'real pools of PostgreSQL and clients of Redis under failing callbacks', load: () => import('./recovery-pools.js') },
  'concurrency-hostile': { summary: 'a million requests whose clients and handlers do everything wrong', load: () => import('./concurrency-hostile.js') },
  'test-matrix': { summary: 'all tests on Node 20, 22, 24 and 26', load: () => import('./test-matrix.js') },
  'workers': { summary: 'workers of the command: reloads, kills, stops, leaks, stuck loops, two hosts', load: () => import('./workers.js') },
  'restarts': { summary: 'restarts by replace under load, behind every web server', load: () => import('./restarts.js') },
}
