/** lighttpd: the frame that Debian's lighttpd.conf is around a site, with everything below the workspace. */
import { findProgram } from '../programs.js'
import { webServer } from '../web-server.js'
import type { Variation, WebServer } from '../web-server.js'

const PROGRAM = findProgram('lighttpd')

type LighttpdOptions = Pick<Variation, 'edit'> & { startsApp?: boolean }

/** lighttpd with one of the files in examples/lighttpd. */
export function lighttpd(name: string, example: string, { startsApp = false, edit }: LighttpdOptions = {}): WebServer {
  const installed = PROGRAM !== undefined
  return webServer({ name, example, package: 'lighttpd', installed, startsApp }, async (workspace, port) => {
    const site = await workspace.install(example, port, 'site.conf', edit)
    const file = await workspace.write('lighttpd.conf', frame(workspace.directory, port, site))
    return { program: PROGRAM ?? 'lighttpd', args: ['-D', '-f', file] }
  })
}

function frame(directory: string, port: number, site: string): string {
  // The parse options are those of Debian's lighttpd.conf: they tidy up paths, but not REQUEST_URI.
  return `server.modules = ( "mod_indexfile", "mod_access", "mod_alias", "mod_redirect" )
server.document-root = "${directory}/srv/public"
server.upload-dirs = ( "${directory}" )
server.bind = "127.0.0.1"
server.port = ${String(port)}
server.http-parseopts = (
  "header-strict" => "enable",
  "host-strict" => "enable",
  "host-normalize" => "enable",
  "url-normalize-unreserved" => "enable",
  "url-normalize-required" => "enable",
  "url-ctrls-reject" => "enable",
  "url-path-2f-decode" => "enable",
  "url-path-dotseg-remove" => "enable",
)
mimetype.assign = ( ".txt" => "text/plain" )
include "${site}"
server.modules += ( "mod_staticfile" )
`
}
