/** Reserved for the middleware of issue 4; exports nothing yet. */
export {}
