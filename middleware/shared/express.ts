/**
 * The layers of an Express app: of its router, and of the routers and routes in it. And a request's route. Express 4
 * and 5.
 */
import type { IncomingMessage } from 'node:http'
import { attempt } from './safe-call.js'

/** One entry of a router's or a route's stack. */
export interface Layer {
  readonly handle?: unknown
  readonly route?: Stacked
  /** Express 5: the path that it was mounted on. */
  readonly rawPath?: unknown
  /** Express 4: the regular expression that was made of the path, and the names of its parameters. */
  readonly regexp?: unknown
  readonly keys?: unknown
}

interface Stacked {
  readonly stack?: unknown
}

/** An Express app, as far as it matters here. */
export interface ExpressApp {
  readonly parent?: ExpressApp
  readonly mountpath?: unknown
  readonly router?: Stacked
  readonly _router?: Stacked
  get(setting: string): unknown
}

/** A layer, and the layers of routers and routes that it stands in, the outermost first. */
export interface PlacedLayer {
  readonly layer: Layer
  readonly within: readonly Layer[]
}

/** The Express app that handles the request now, and the apps that it is mounted on; none outside of Express. */
export function appsOf(request: IncomingMessage): ExpressApp[] {
  const apps: ExpressApp[] = []
  let { app } = request as { app?: unknown }
  while (isApp(app) && !apps.includes(app)) {
    apps.push(app)
    app = app.parent
  }
  return apps
}

function isApp(value: unknown): value is ExpressApp {
  return typeof value === 'function'
}

/** All layers of an app, without those of apps that are mounted on it: Express keeps no reference to these. */
export function layersOf(app: ExpressApp): PlacedLayer[] {
  // In Express 4 `router` is a getter that throws.
  const router = app._router ?? attempt(() => app.router, undefined)
  return router === undefined ? [] : layersIn(router, [])
}

/** Levels. Routers may be mounted in one another in a circle, so deeper layers are left out. */
const DEEPEST = 32

function layersIn({ stack }: Stacked, within: readonly Layer[]): PlacedLayer[] {
  if (!Array.isArray(stack) || within.length > DEEPEST) return []
  return (stack as Layer[]).flatMap((layer) => {
    const inner = layer.route ?? (layer.handle as Stacked | undefined)
    return [{ layer, within }, ...(inner?.stack === undefined ? [] : layersIn(inner, [...within, layer]))]
  })
}

/* What Express knows of a request's route. */

/**
 * The pattern of the route that Express has chosen, as its router has it, without what that is mounted on; '' where
 * there is none.
 */
export function routePatternOf(request: IncomingMessage): string {
  const { route } = request as { route?: { path?: string | RegExp | (string | RegExp)[] } }
  return route?.path === undefined ? '' : [route.path].flat().join(',')
}

/**
 * The pattern of the route with what its routers and apps are mounted on, such as '/users/:id'; '' where there is no
 * route. Looks through the app's whole stack: for failures, not for every request.
 */
export function wholeRouteOf(request: IncomingMessage): string {
  const pattern = attempt(() => routePatternOf(request), '')
  if (pattern === '') return ''
  const mount = attempt(() => mountPatternOf(request), undefined) ?? attempt(() => mountUrlOf(request, pattern), '')
  return mount !== '' && pattern === '/' ? mount : `${mount}${pattern}`
}

/**
 * The mount pattern by the layers that lead to the route; undefined where one is not found, or has no plain pattern.
 */
function mountPatternOf(request: IncomingMessage): string | undefined {
  const { route, originalUrl } = request as { route?: object; originalUrl?: unknown }
  if (route === undefined) return undefined
  for (const app of appsOf(request)) {
    const found = layersOf(app).filter(({ layer }) => layer.route === route)
    const patterns = found.map(({ within }) => {
      const mounts = [...[app, ...ancestorsOf(app)].map(mountPathOf).reverse(), ...within.map(mountOf)]
      return mounts.every((mount) => mount !== undefined) ? mounts.join('') : undefined
    })
    // One router may be mounted in two places.
    if (patterns.length > 0) return patterns.length === 1 ? patterns[0] : patterns.find((pattern) => leadsTo(pattern, String(originalUrl)))
  }
  return undefined
}

function leadsTo(pattern: string | undefined, url: string): boolean {
  const segments = url.split('/')
  const matches = (segment: string, index: number): boolean => segment.startsWith(':') || segment.toLowerCase() === segments[index]?.toLowerCase()
  return pattern?.split('/').every(matches) === true
}

function ancestorsOf({ parent }: ExpressApp): ExpressApp[] {
  return parent === undefined ? [] : [parent, ...ancestorsOf(parent)]
}

function mountPathOf({ parent, mountpath }: ExpressApp): string | undefined {
  return parent === undefined ? '' : plainMount(mountpath)
}

function mountOf({ rawPath, regexp, keys }: Layer): string | undefined {
  return rawPath === undefined ? patternOfRegexp(regexp, keys) : plainMount(rawPath)
}

function plainMount(path: unknown): string | undefined {
  return typeof path === 'string' ? path.replace(/\/+$/, '') : undefined
}

/** Express 4 has made regular expressions of the strings: '/users/:id' is '^\/users(?:\/([^/]+?))\/?(?=\/|$)'. */
function patternOfRegexp(regexp: unknown, keys: unknown): string | undefined {
  if (!(regexp instanceof RegExp)) return undefined
  if ((regexp as { fast_slash?: unknown }).fast_slash === true) return ''
  const names = (Array.isArray(keys) ? keys as { name?: unknown }[] : []).map(({ name }) => String(name))
  const pattern = regexp.source
    .replace(/^\^/, '')
    .replace(/\\\/\?\(\?=\\\/\|\$\)$/, '')
    .replace(/\(\?:(\\\/)?\(\[\^\\?\/\]\+\?\)\)|\(\[\^\\?\/\]\+\?\)/g, (_group, slash?: string) => `${slash === undefined ? '' : '/'}:${names.shift() ?? ''}`)
    .replace(/\\([/.-])/g, '$1')
  return /[()[\]{}^$?*+|\\]/.test(pattern) ? undefined : pattern
}

/** The mount path by the URL: without as many segments at its end as the route has. */
function mountUrlOf(request: IncomingMessage, pattern: string): string {
  const { baseUrl, originalUrl } = request as { baseUrl?: unknown; originalUrl?: unknown }
  if (typeof baseUrl === 'string' && baseUrl !== '') return baseUrl
  if (typeof originalUrl !== 'string' || /[()[\]{}?*+,]/.test(pattern)) return ''
  const segmentsOf = (path: string): string[] => path.split('/').filter((segment) => segment !== '')
  const segments = segmentsOf(originalUrl.split('?', 1)[0] ?? '')
  return segments.slice(0, Math.max(0, segments.length - segmentsOf(pattern).length)).map((segment) => `/${segment}`).join('')
}
