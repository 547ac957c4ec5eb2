/** An Apache whose owner lets customers run programs with mod_fcgid: they have a home, and no say in its configuration. */
import { apache } from './apache.js'
import type { WebServer } from '../web-server.js'

/**
 * The site of a customer, with the files in examples/shared-hosting.
 *
 * @param settings what the owner has set besides mod_fcgid's defaults
 * @param folder where the files are: below examples/, or an absolute path
 */
export function sharedHosting(settings = GENEROUS, folder = 'shared-hosting'): WebServer {
  return apache({
    name: 'mod_fcgid on shared hosting',
    example: `${folder}/.htaccess`,
    package: 'libapache2-mod-fcgid',
    modules: ['fcgid', 'rewrite'],
    startsApp: true,
    site: (port) => host(port, settings),
    files: {
      [`${folder}/.htaccess`]: 'home/public_html/.htaccess',
      [`${folder}/app.fcgi`]: 'home/public_html/app.fcgi',
    },
  })
}

/** What the owner of a host sets who wants customers to have uploads and event streams. */
const GENEROUS = `
  FcgidMaxRequestLen 16777216
  FcgidOutputBufferSize 0
  AllowEncodedSlashes NoDecode
`

function host(port: number, settings: string): string {
  return `Listen 127.0.0.1:${String(port)}
<VirtualHost 127.0.0.1:${String(port)}>
  ServerName app.example.com
  DocumentRoot /home/alice/public_html
  ${settings}
</VirtualHost>
`
}
