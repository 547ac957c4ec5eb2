/** Tests of the suites of Express and its middleware that cannot pass over FastCGI, each with its reason. The README has the same list. */

export interface Exception {
  /** The packages whose suites have the test, each with its major version: `express@5`. */
  readonly suites: readonly string[]
  /** The test's full title as mocha gives it. */
  readonly title: string
  readonly reason: string
}

export const EXCEPTIONS: readonly Exception[] = [
  {
    suites: ['express@5'],
    title: 'res .status(code) accept valid ranges should set the response status code to 101',
    reason:
      'FastCGI carries one final response to a request and no upgrade: a CGI status is never 1xx (RFC 3875, 6.3.3), ' +
      'and web servers answer such a one with an error of their own.',
  },
]
