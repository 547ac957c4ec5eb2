/** Apache: the frame that Debian's apache2.conf is around a site, with everything below the workspace. */
import { findProgram, isReadable } from '../programs.js'
import { webServer } from '../web-server.js'
import type { Variation, WebServer } from '../web-server.js'

const PROGRAM = findProgram('apache2')
const MODULES = '/usr/lib/apache2/modules'

/** Loaded in every frame: Debian's defaults, as far as a site can tell, and headers. */
const BASE_MODULES = [
  'mpm_event', 'authn_core', 'authn_file', 'authz_core', 'authz_user', 'auth_basic', 'alias', 'dir', 'env', 'headers',
  'deflate', 'filter', 'mime', 'setenvif',
]

interface ApacheOptions {
  name: string
  example: string
  package?: string
  modules: readonly string[]
  startsApp?: boolean
  appOn?: WebServer['appOn']
  /** Files that the site needs besides, as paths below examples/ and where they are to be. */
  files?: Readonly<Record<string, string>>
  /** The site's text, where the example is no site but one of the `files`. */
  site?: (port: number) => string
}

/** Apache with a site file, and the modules that its first lines tell the operator to enable. */
export function apache(options: ApacheOptions & Variation): WebServer {
  const { name, example, modules, startsApp = false, appOn = 'socket', files = {}, edit, encrypted = false } = options
  const { site: text } = options
  const installed = PROGRAM !== undefined && modules.every((module) => isReadable(modulePath(module)))
  return webServer({ name, example, package: options.package ?? 'apache2', installed, startsApp, appOn, encrypted }, async (workspace, port) => {
    for (const [source, target] of Object.entries(files)) await workspace.install(source, port, target)
    const site = text === undefined
      ? await workspace.install(example, port, 'site.conf', edit)
      : await workspace.write('site.conf', workspace.adapt(text(port), port))
    const file = await workspace.write('apache.conf', frame(workspace.directory, site, modules))
    return { program: PROGRAM ?? 'apache2', args: ['-D', 'FOREGROUND', '-f', file] }
  })
}

function modulePath(module: string): string {
  return `${MODULES}/mod_${module}.so`
}

function frame(directory: string, site: string, modules: readonly string[]): string {
  const load = [...BASE_MODULES, ...modules].map((module) => `LoadModule ${module}_module ${modulePath(module)}`)
  return `ServerRoot ${directory}
DefaultRuntimeDir ${directory}
PidFile ${directory}/apache.pid
ErrorLog "|/bin/cat"
LogLevel warn
ServerName localhost
TypesConfig /etc/mime.types
AddOutputFilterByType DEFLATE text/html text/plain text/xml text/css application/javascript application/json
User www-data
Group www-data
StartServers 1
ServerLimit 1
ThreadsPerChild 25
MaxRequestWorkers 25
${load.join('\n')}
<IfModule mod_cgid.c>
  ScriptSock ${directory}/run/cgid.sock
</IfModule>
<IfModule mod_fcgid.c>
  FcgidIPCDir ${directory}/run
  FcgidProcessTableFile ${directory}/run/fcgid_shm
</IfModule>
<Directory />
  Options FollowSymLinks
  AllowOverride None
  Require all denied
</Directory>
<FilesMatch "^\\.ht">
  Require all denied
</FilesMatch>
<Directory ${directory}/srv/public>
  Require all granted
</Directory>
<Directory ${directory}/home/public_html>
  AllowOverride All
  Require all granted
</Directory>
Include ${site}
`
}
