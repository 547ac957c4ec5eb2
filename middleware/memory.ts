/** Reserved for the middleware of issue 5; exports nothing yet. */
export {}
