/** How text that comes from clients is written into a log line, so that nobody can forge lines, fields or terminal sequences. */

/** Writes a value so that it stays within its field. */
export type Escape = (text: string) => string

/** Printable ASCII but the quote and the backslash stays as it is. */
const UNSAFE = /[^ !#-[\]-~]/
const UNSAFE_ALL = /[^ !#-[\]-~]/gu

/** As nginx' `escape=default`: `\x0A`, `\x22`, each byte in upper-case digits. */
export function escapeAsNginx(text: string): string {
  return UNSAFE.test(text) ? text.replace(UNSAFE_ALL, (character) => hexBytes(character).toUpperCase().replaceAll('\\X', '\\x')) : text
}

const LETTERS: Readonly<Record<string, string>> = { '"': '\\"', '\\': '\\\\', '\b': '\\b', '\n': '\\n', '\r': '\\r', '\t': '\\t', '\v': '\\v' }

/** As Apache: `\"`, `\\`, `\n`, and bytes as `\xe4`. */
export function escapeAsApache(text: string): string {
  return UNSAFE.test(text) ? text.replace(UNSAFE_ALL, (character) => LETTERS[character] ?? hexBytes(character)) : text
}

/** For between the quotes of a string of JSON. Bytes that are UTF-8, as headers have them, become its characters. */
export function escapeAsJson(text: string): string {
  return UNSAFE.test(text) ? JSON.stringify(decoded(text)).slice(1, -1).replace(/[\u007f-\u009f\u2028\u2029]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`) : text
}

/** Node gives headers as latin1: one character is one byte. What has larger characters is text already. */
function hexBytes(character: string): string {
  const code = character.charCodeAt(0)
  const bytes = code <= 0xff && character.length === 1 ? [code] : [...Buffer.from(character, 'utf8')]
  return bytes.map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')
}

function decoded(text: string): string {
  // eslint-disable-next-line no-control-regex
  if (!/[\x80-\xff]/.test(text) || /[^\x00-\xff]/.test(text)) return text
  const utf8 = Buffer.from(text, 'latin1').toString('utf8')
  return utf8.includes('\ufffd') ? text : utf8
}
