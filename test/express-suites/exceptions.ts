/** Tests of the suites of Express and its middleware that cannot pass over FastCGI. The README has the same list. */

export interface Exception {
  /** The package whose suite has the test, with its major version: `express@5`. */
  readonly suite: string
  /** The test's full title as mocha gives it. */
  readonly title: string
  readonly reason: string
}

const INFORMATIONAL =
  'A CGI status is never 1xx (RFC 3875, 6.3.3): FastCGI carries one final response to a request. The adapter answers 500 and warns.'
const EMPTY_BODY =
  'A GET with `Content-Length: 0`: lighttpd, HAProxy, mod_fcgid and Caddy send the same CONTENT_LENGTH where the client has sent none, so the adapter leaves it out.'
const ABSOLUTE_FORM =
  'A request for `http://example.com/foo`: web servers take scheme and host off REQUEST_URI before the application sees it.'
const FRAMING =
  'The client breaks the framing of HTTP. The web server finds this, and passes on an abort, which has no reason: `req` and `res` close, but with no error.'
const TUNNEL = 'FastCGI carries no CONNECT and no Upgrade: there is no stream of octets in both directions.'

const all = (suite: string, reason: string, ...titles: string[]): Exception[] =>
  titles.map((title) => ({ suite, title, reason }))

export const EXCEPTIONS: readonly Exception[] = [
  ...all('express@5', INFORMATIONAL, 'res .status(code) accept valid ranges should set the response status code to 101'),
  ...all('morgan@1', INFORMATIONAL, 'morgan() formats dev should not color 1xx'),
  ...all('body-parser@2', EMPTY_BODY, 'bodyParser.json() should handle Content-Length: 0'),
  ...all('router@2', ABSOLUTE_FORM, 'FQDN url should not obscure FQDNs', 'FQDN url should strip/restore FQDN req.url'),
  ...all(
    'on-finished@2',
    FRAMING,
    'onFinished(res, listener) when response errors should fire with error',
    'onFinished(res, listener) when response errors should include the response object',
    'isFinished(res) when response errors should return true',
    'onFinished(req, listener) when request errors should fire with error',
    'onFinished(req, listener) when request errors should include the request object',
    'onFinished(req, listener) when requests pipelined should handle socket errors',
    'isFinished(req) when request errors should return true',
  ),
  ...all(
    'on-finished@2',
    TUNNEL,
    'onFinished(req, listener) when CONNECT method should fire when request finishes',
    'onFinished(req, listener) when CONNECT method should fire when called after finish',
    'isFinished(req) when CONNECT method should be true immediately',
    'isFinished(req) when CONNECT method should be true after request finishes',
    'onFinished(req, listener) when Upgrade request should fire when request finishes',
    'onFinished(req, listener) when Upgrade request should fire when called after finish',
    'isFinished(req) when Upgrade request should be true immediately',
    'isFinished(req) when Upgrade request should be true after request finishes',
  ),
]
