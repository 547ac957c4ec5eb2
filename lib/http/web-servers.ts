/** Differences between web servers that matter here; the params of a request show which one it is. Pure. */
import type { ParamLookup } from './cgi-request.js'

/** Servers that stop sending a body when they have the head of the answer, or close the client's connection in any case. */
const STOP_SENDING = /^(?:nginx|openresty|angie|tengine|apache)\b/i

/** Whether the web server goes on sending a request's body after the answer has begun. */
export function sendsOnAfterAnswer(lookup: ParamLookup): boolean {
  return !STOP_SENDING.test(lookup('SERVER_SOFTWARE') ?? '')
}

/**
 * Whether the web server treats a Location in a 200 as a redirect. Apache's mod_fcgid and mod_cgi do: for a path they run
 * the request again, up to ten times, and a url they make a 302. mod_proxy_fcgi does not; its SCRIPT_FILENAME begins with
 * `proxy:`.
 */
export function redirectsByLocation(lookup: ParamLookup): boolean {
  return (lookup('SERVER_SOFTWARE') ?? '').startsWith('Apache') && !(lookup('SCRIPT_FILENAME') ?? '').startsWith('proxy:')
}
