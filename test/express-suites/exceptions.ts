/** Tests of Express's own suites that cannot pass over FastCGI, each with its reason. The README has the same list. */

export interface Exception {
  /** Major versions of Express whose suite has the test. */
  readonly express: readonly number[]
  /** The test's full title as mocha gives it. */
  readonly title: string
  readonly reason: string
}

export const EXCEPTIONS: readonly Exception[] = [
  {
    express: [5],
    title: 'res .status(code) accept valid ranges should set the response status code to 101',
    reason:
      'FastCGI carries one final response to a request and no upgrade: a CGI status is never 1xx (RFC 3875, 6.3.3), ' +
      'and web servers answer such a one with an error of their own.',
  },
]
