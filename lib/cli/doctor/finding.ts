/** What the doctor can find: the codes, which never change, and what a finding consists of. */

/** Each code, and in a few words what it stands for. */
export const FINDINGS = {
  'no-socket': 'there is nothing at the path of the socket',
  'not-a-socket': 'at the path is a file that is no socket',
  'stale-socket': 'the socket file was left by a process that has ended',
  'no-listener': 'nobody listens on the port',
  'other-address': 'the app listens at another address than the one that is asked',
  'two-addresses': 'nginx takes a name for two servers, and the app is at one of them',
  'unknown-host': 'the name of the app\'s host has no address',
  'host-unreachable': 'the app\'s host cannot be reached',
  'address-refused': 'the app refuses the address of the web server',
  'open-port': 'the port is open to a network, and the app answers everybody',
  'other-network': 'the web server has a network of its own',
  'not-fastcgi': 'what listens speaks neither FastCGI nor HTTP',
  'queue-full': 'more connections wait than are accepted',
  'no-answer': 'the app accepts connections and does not answer',
  'app-speaks-http': 'the app speaks HTTP',
  'app-closes': 'the app closes the connection without an answer',
  'directory-permission': 'the web server may not enter a directory above the socket',
  'socket-permission': 'the web server may not write to the socket',
  'groups-not-loaded': 'the web server runs without a group that its user has by now',
  'private-tmp': 'the web server has a /tmp of its own',
  'other-mounts': 'the web server does not see the directory of the socket',
  chroot: 'the web server runs in another root directory',
  selinux: 'SELinux keeps the web server from the app',
  'url-unreachable': 'nothing answers at the web server\'s address',
  'password-asked': 'the web server asks for a password before the app',
  redirected: 'the web server sends clients to another address before it asks the app',
  'other-socket': 'the web server connects to another socket or port',
  'not-passed': 'the web server answers by itself',
  'shared-name': 'Apache takes another app\'s socket for this one',
  'server-speaks-http': 'the web server speaks HTTP to the app',
  'wrong-role': 'the web server asks the app as an Authorizer or Filter',
  'no-params': 'the app is told nothing of the request',
  'no-request-uri': 'the URL is missing',
  'url-changed': 'the URL arrives decoded or tidied up',
  'encoded-slash': 'URLs with %2F do not arrive',
  'no-content-length': 'the length of an upload is missing',
  'no-content-type': 'the type of an upload is missing',
  'param-twice': 'a param arrives twice',
  headers: 'headers of the client do not arrive',
  authorization: 'the Authorization header does not arrive',
  cookie: 'cookies do not arrive',
  'host-port': 'the Host header loses its port',
  'host-changed': 'another Host arrives than was asked for',
  httpoxy: 'a client\'s Proxy header arrives as HTTP_PROXY',
  'remote-user': 'a client can choose REMOTE_USER',
  underscore: 'a client\'s header with an underscore arrives as the one with a hyphen',
  scheme: 'the app cannot see that the client uses HTTPS',
  'scheme-forced': 'the app is told HTTPS where the client uses HTTP',
  'client-address': 'the client\'s address does not arrive',
  'proxy-address': 'the address of a proxy before the web server arrives as the client\'s',
  'server-software': 'the app is not told which web server asks',
  'keep-conn': 'connections are to be kept, and the app is not asked to keep them',
  'keep-alive': 'the app is asked to keep connections, and the web server keeps none',
  'h2o-keep-alive': 'h2o keeps connections, in which it can abort',
  'idle-limit': 'the web server keeps idle connections longer than the app',
  'max-fails': 'the web server avoids the app for 10 seconds after a failure',
  'non-idempotent': 'the web server sends a POST again',
  'head-size': 'a large response head is an error',
  'header-count': 'a response with many headers is an error',
  events: 'server-sent events are gathered',
  stream: 'a response that is written in pieces is gathered',
  'upload-size': 'uploads are refused by the web server',
  'upload-lost': 'an upload arrives incomplete',
  'fcgid-request-length': 'mod_fcgid refuses uploads',
  'fcgid-io-timeout': 'mod_fcgid gives up responses that are silent for a while',
  'fcgid-busy-timeout': 'mod_fcgid ends processes whose request takes long',
  'fcgid-output-buffer': 'mod_fcgid gathers responses',
  etag: 'the web server changes ETags, so that no 304 is answered',
  'status-header': 'the header Status goes on to the client',
} as const

/** A code of a finding. */
export type FindingCode = keyof typeof FINDINGS

/** One thing that is wrong, and the remedy. */
export interface Finding {
  readonly code: FindingCode
  /** What is wrong, in one sentence. */
  readonly problem: string
  /** What shows it. */
  readonly evidence: string
  /** The exact line to write, or the command to run. */
  readonly line: string
  /** Where the line belongs. */
  readonly place: string
}
