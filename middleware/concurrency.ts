/** Reserved for the middleware of issue 3; exports nothing yet. */
export {}
