/** What a configuration is to do: one site of a web server, and the app behind it. Resolved: the printers know no defaults. */

/** Where the app listens. */
export type AppAddress =
  | { readonly kind: 'socket', readonly path: string }
  | { readonly kind: 'tcp', readonly hosts: readonly HostPort[] }

/** A host and a TCP port; an IPv6 address is without its brackets. */
export interface HostPort {
  readonly host: string
  readonly port: number
}

/** A folder whose files the web server itself sends. */
export interface StaticFiles {
  /** The folder, without a slash at the end. */
  readonly folder: string
  /** The path in URLs, without a slash at the end: `/static`. */
  readonly path: string
}

/** One site, and the app behind it. Every text in it is safe between double quotes in every configuration. */
export interface Site {
  /** What the site is called within the configuration: lower-case letters, digits and hyphens. */
  readonly name: string
  readonly app: AppAddress
  /** The host names that the site answers to, in ASCII; none: every name. `*.example.org` stands for all below. */
  readonly serverNames: readonly string[]
  /** Where the web server listens; without a host on every address. */
  readonly listen: { readonly host: string | undefined, readonly port: number }
  /** The path that the app's URLs begin with, '' for all. */
  readonly mount: string
  readonly staticFiles: StaticFiles | undefined
  /** Whether connections to the app are kept for later requests. */
  readonly keepConnections: boolean
  /** The largest request body, in bytes; 0 is no limit. */
  readonly bodyBytes: number
  /** The room for a response head, in bytes. */
  readonly headBytes: number
  /** For how long a response may be silent, in whole seconds. */
  readonly timeoutSeconds: number
  /** The path that tells whether the app can take requests; undefined: it is not asked. */
  readonly health: string | undefined
}

/** `host:port`, with brackets around an IPv6 address. */
export function addressText({ host, port }: HostPort): string {
  return `${host.includes(':') ? `[${host}]` : host}:${String(port)}`
}

/** A path of URLs for a regular expression, so that it stands for itself. */
export function pattern(text: string): string {
  return text.replaceAll('.', '\\.')
}

/** What whoever mounts the app at a path must do besides. */
export function mountNote(mount: string): string {
  return `The app's URLs. REQUEST_URI keeps the prefix: give serve() the option mount: '${mount}' (server.mount in the command's configuration file), or the app routes that begin with it.`
}
