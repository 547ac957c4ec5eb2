/** What the benchmark asks for: the cases, each with its request and the body that answers it. */

/** The names of the cases, in the order of the report. */
export const CASE_NAMES = ['hello', 'json', 'download', 'upload'] as const
export type CaseName = (typeof CASE_NAMES)[number]

/** One request that is repeated. */
export interface Case {
  /** What the report calls it. */
  title: string
  method: 'GET' | 'POST'
  path: string
  /** Octets of the request's body. */
  requestOctets: number
  /** Octets of the response's body; every answer is held against it. */
  responseOctets: number
  /** Requests before the first measurement, so that the code is compiled and the caches are full. */
  warmUp: number
}

const MEBIBYTE = 1024 * 1024

/** The body of the hello route. */
export const HELLO = 'Hello World!'

/** One of the items in the answer to /json. */
export interface Item {
  id: number
  name: string
  description: string
  stock: number
  tags: string[]
}

/** The object behind /json: about 10 KB as JSON, and the same octets from every language's encoder. */
export function items(): { items: Item[] } {
  return {
    items: Array.from({ length: 80 }, (_, index) => ({
      id: 1000 + index,
      name: `item ${String(1000 + index)}`,
      description: 'plain words and nothing that needs an escape',
      stock: 100 + index,
      tags: ['first', 'second'],
    })),
  }
}

/** The body of /download. */
export function download(): Buffer {
  return Buffer.alloc(MEBIBYTE, 'a')
}

export const CASES: Readonly<Record<CaseName, Case>> = {
  hello: {
    title: 'hello',
    method: 'GET',
    path: '/hello',
    requestOctets: 0,
    responseOctets: HELLO.length,
    warmUp: 12_000,
  },
  json: {
    title: '10 KB of JSON',
    method: 'GET',
    path: '/json',
    requestOctets: 0,
    responseOctets: JSON.stringify(items()).length,
    warmUp: 6000,
  },
  download: {
    title: '1 MB response',
    method: 'GET',
    path: '/download',
    requestOctets: 0,
    responseOctets: MEBIBYTE,
    warmUp: 1500,
  },
  upload: {
    title: '1 MB upload',
    method: 'POST',
    path: '/upload',
    requestOctets: MEBIBYTE,
    responseOctets: String(MEBIBYTE).length,
    warmUp: 1500,
  },
}
