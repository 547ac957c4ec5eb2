/** What `npm run bench` can do. */
import type { Command } from '../tools/command-line.js'

export const PROGRAM = 'npm run bench --'

export const COMMANDS: Readonly<Record<string, Command>> = {
  compare: { summary: 'CPU time of a request: the adapter beside what else could run the app, a table for each case', load: () => import('./compare.js') },
  'compare-builds': { summary: 'a git revision against the working tree, by CPU time and by instructions', load: () => import('./compare-builds.js') },
  targets: { summary: 'each target of the project beside what is measured', load: () => import('./targets.js') },
  instructions: { summary: 'user-space instructions a request, counted by valgrind', load: () => import('./instructions.js') },
  memory: { summary: 'resident memory under stalled streams, and of idle connections', load: () => import('./memory.js') },
  'middleware-cost': { summary: 'what concurrency, memory or the leak-detector adds to a request or takes of the loop', load: () => import('./middleware-cost/middleware-cost.js') },
  workers: { summary: 'workers of the command under load: two beside one, one that joins, and beside php-fpm and pm2', load: () => import('./workers/workers.js') },
  scrape: { summary: 'how long a scrape of the memory endpoint takes, and what it collects', load: () => import('./scrape.js') },
  overload: { summary: 'goodput and latency of limiters under several times the capacity, with real servers', load: () => import('./overload/overload.js') },
  situations: { summary: 'what limiters refuse below saturation', load: () => import('./overload/situations/situations.js') },
  simulate: { summary: 'limiters on a simulated event loop, every contender in every scenario', load: () => import('./simulate.js') },
}
