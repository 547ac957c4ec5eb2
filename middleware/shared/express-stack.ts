/** What Express has mounted: the layers of an app's router, of the routers and routes in it. Versions 4 and 5. */
import type { IncomingMessage } from 'node:http'
import { attempt } from './safe-call.js'

/** One entry of a router's or a route's stack. */
export interface Layer {
  readonly handle?: unknown
  readonly route?: Stacked
  /** Express 5: what it was mounted with. */
  readonly rawPath?: unknown
  /** Express 4: what that was made into, and the names of its parameters. */
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

/** The app that has the request now, and those that it is mounted on; none where it is no Express app. */
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

/** All layers of an app, but for those of apps that are mounted on it: Express keeps no way to them. */
export function layersOf(app: ExpressApp): PlacedLayer[] {
  // Express 4 has a getter of the other name that throws.
  const router = app._router ?? attempt(() => app.router, undefined)
  return router === undefined ? [] : layersIn(router, [])
}

/** Routers may be mounted in one another in a circle. */
const DEEPEST = 32

function layersIn({ stack }: Stacked, within: readonly Layer[]): PlacedLayer[] {
  if (!Array.isArray(stack) || within.length > DEEPEST) return []
  return (stack as Layer[]).flatMap((layer) => {
    const inner = layer.route ?? (layer.handle as Stacked | undefined)
    return [{ layer, within }, ...(inner?.stack === undefined ? [] : layersIn(inner, [...within, layer]))]
  })
}
