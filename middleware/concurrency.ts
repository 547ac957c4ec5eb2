/** Reserved for the concurrency cap; exports nothing yet. */
export {}
