/** What web servers do differently where it matters, told by their params. Pure. */
import type { ParamLookup } from './cgi-request.js'

/** They send no more of a body once they have the head of the answer, or close the client's connection in any case. */
const STOP_SENDING = /^(?:nginx|openresty|angie|tengine|apache)\b/i

/** Whether the web server goes on sending a request's body after the answer has begun. */
export function sendsOnAfterAnswer(lookup: ParamLookup): boolean {
  return !STOP_SENDING.test(lookup('SERVER_SOFTWARE') ?? '')
}

/**
 * Whether a Location in a 200 is taken for a redirect, whatever Status says: Apache's mod_fcgid and mod_cgi run the
 * request anew for a path, up to ten times, and make a 302 of a url. mod_proxy_fcgi does neither, and is known by its prefix.
 */
export function redirectsByLocation(lookup: ParamLookup): boolean {
  return (lookup('SERVER_SOFTWARE') ?? '').startsWith('Apache') && !(lookup('SCRIPT_FILENAME') ?? '').startsWith('proxy:')
}
