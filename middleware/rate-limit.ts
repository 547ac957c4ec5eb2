/** Reserved for the rate limit; exports nothing yet. */
export {}
