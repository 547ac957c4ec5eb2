/** What the doctor has found out, before it judges. The types, nothing else. */
import type { Arrival } from '../../server/diagnostics.js'

/** The web servers whose configuration the doctor knows. */
export const SERVER_NAMES = ['nginx', 'apache', 'lighttpd', 'caddy', 'haproxy', 'h2o'] as const

/** One of {@link SERVER_NAMES}. */
export type ServerName = (typeof SERVER_NAMES)[number]

/** A user as the kernel checks permissions. */
export interface Account {
  /** The name, or the number where it has none. */
  readonly name: string
  readonly uid: number
  /** The main group, and the others. */
  readonly groups: readonly number[]
  /** Whether permissions do not count for it: root, with CAP_DAC_OVERRIDE. */
  readonly unrestricted: boolean
}

/** The processes of the web server that ask the app. */
export interface WebServerProcess {
  readonly pid: number
  readonly account: Account
  /** Its root directory; undefined where it cannot be read. */
  readonly root: string | undefined
  /** Whether it has the mounts of this process; undefined where that cannot be read. */
  readonly sameMounts: boolean | undefined
  /** Whether the directory of the socket is the same one for it; undefined where that cannot be read. */
  readonly sameDirectory: boolean | undefined
  /** Whether it has the network of this process; undefined where that cannot be read. */
  readonly sameNetwork: boolean | undefined
  /** SELinux's label, such as `system_u:system_r:httpd_t:s0`. */
  readonly label: string | undefined
}

/** The entries of an access control list beside those of the mode, each with its bits; they count as far as the mask allows. */
export interface AccessList {
  /** By number. */
  readonly users: ReadonlyMap<number, number>
  readonly groups: ReadonlyMap<number, number>
  /** The bits of the file's own group; those in the mode are the mask. */
  readonly owningGroup: number
  readonly mask: number
}

/** One part of the path of the socket, from the root directory. */
export interface PathPart {
  readonly path: string
  readonly kind: 'directory' | 'socket' | 'other' | 'missing' | 'unreadable'
  /** The permission bits. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** Undefined where it has none, 'unread' where it cannot be read. */
  readonly list?: AccessList | 'unread' | undefined
}

/** The files, and the kernel's view of the socket. */
export interface SocketFacts {
  readonly kind: 'socket'
  readonly path: string
  readonly parts: readonly PathPart[]
  /** Names of the groups of the parts, by number. */
  readonly groupNames: ReadonlyMap<number, string>
  /** The groups that the user of the web server has by the system's files; undefined where there is no such user. */
  readonly configuredGroups: readonly number[] | undefined
  /** Connections that wait to be accepted; undefined where the kernel does not tell. */
  readonly waiting: number | undefined
  /** net.core.somaxconn. */
  readonly somaxconn: number | undefined
  /** Whether SELinux enforces its rules. */
  readonly enforcing: boolean
}

/** What a configuration names as `host:port`, with the app's port. */
export interface ConfiguredAddress {
  readonly host: string
  /** What the host stands for on this machine; none where that is unknown. */
  readonly addresses: readonly string[]
  /** File and line. */
  readonly at: string
}

/** The TCP port of the app, and the kernel's view of it. */
export interface PortFacts {
  readonly kind: 'port'
  readonly host: string
  readonly port: number
  /** What the host stands for. */
  readonly addresses: readonly string[]
  /** The addresses of this machine at which somebody listens on the port; undefined where the host is another machine, or the system does not tell. */
  readonly listening: readonly string[] | undefined
  /** Connections that wait to be accepted there. */
  readonly waiting: number
  /** FCGI_WEB_SERVER_ADDRS of the process that listens; undefined where it has none, or that cannot be read. */
  readonly allowed: string | undefined
  /** Where the port is open to a network: whether it answers an address that nobody would list; undefined where that cannot be tried. */
  readonly answersAnybody: boolean | undefined
  readonly configured: readonly ConfiguredAddress[]
  /** Where the configuration passes requests on by FastCGI, to any port; undefined where it does so to none, or to several. */
  readonly passed: { readonly to: string, readonly at: string } | undefined
  /** net.core.somaxconn. */
  readonly somaxconn: number | undefined
  /** Whether SELinux enforces its rules. */
  readonly enforcing: boolean
}

/** What the app answered when it was asked as a web server asks. */
export type SocketAnswer =
  /** Nobody listens. */
  | { readonly kind: 'refused', readonly reason: string }
  /** `from`: the address from which a port was asked. */
  | { readonly kind: 'silent' | 'closed' | 'http' | 'foreign', readonly from?: string | undefined }
  /** It speaks FastCGI. */
  | { readonly kind: 'fastcgi', readonly status: number, readonly from?: string | undefined }

/** One question through the web server, and its answer. */
export interface Exchange {
  readonly name: string
  /** As it was sent in the request line. */
  readonly target: string
  readonly host: string
  /** 0 where no answer came. */
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** The beginning of the body of an answer that is an error; '' of others. */
  readonly text: string
  /** Of a stream: whether the first piece came while the second was held; undefined where nothing came, or it is no stream. */
  readonly streamed: boolean | undefined
  /** Why no answer came. */
  readonly error: string | undefined
  /** Bytes of body that were sent, or would have been. */
  readonly bodyBytes: number
  /** The address that the web server sees. */
  readonly clientAddress: string | undefined
}

/** All questions, and what arrived of them. */
export interface Conversation {
  readonly url: URL
  readonly exchanges: readonly Exchange[]
  /** Whether the web server gives some requests to another app: it shares them among several sockets. */
  readonly isShared: boolean
  /** Whether the app takes the client's address from X-Forwarded-For. */
  readonly trustsForwarded: boolean
  readonly arrivals: readonly Arrival[]
  /** The first line of HTTP that came to the socket, where some came. */
  readonly http: string | undefined
}

/** A file of the web server's configuration. */
export interface ConfigurationFile {
  readonly path: string
  readonly text: string
}

/** All of it. What was not looked at, or cannot be, is undefined. */
export interface Facts {
  /** Where the app listens, or is to listen. */
  readonly place: SocketFacts | PortFacts
  readonly server: ServerName | undefined
  readonly process: WebServerProcess | undefined
  readonly answer: SocketAnswer
  /** Whether the app is stopped on purpose, with the doctor in its place. */
  readonly standsIn: boolean
  /** After how long the app closes an idle connection, in seconds: `timeouts.idle` of the app that runs, else the default. */
  readonly appIdleSeconds: number
  /** Undefined without an address of the web server. */
  readonly conversation: Conversation | undefined
  readonly configuration: readonly ConfigurationFile[]
}
