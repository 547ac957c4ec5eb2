/** Reserved for the memory endpoint; exports nothing yet. */
export {}
