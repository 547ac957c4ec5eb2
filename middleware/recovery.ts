/** Reserved for panic recovery; exports nothing yet. */
export {}
