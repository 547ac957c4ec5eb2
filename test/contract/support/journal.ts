/** What a test observed, in order, and signals between its two ends: tests wait for events, never for time. */

export class Journal {
  readonly entries: string[] = []
  #waiters: { label: string; resolve: () => void }[] = []

  /** Notes that something happened; `detail` must be the same over both transports. */
  note(label: string, detail?: unknown): void {
    this.entries.push(detail === undefined ? label : `${label} ${show(detail)}`)
    this.#waiters = this.#waiters.filter((waiter) => {
      if (waiter.label !== label) return true
      waiter.resolve()
      return false
    })
  }

  /** Waits until something was noted, now or earlier. */
  async until(label: string): Promise<void> {
    if (this.entries.some((entry) => entry === label || entry.startsWith(`${label} `))) return
    await new Promise<void>((resolve) => {
      this.#waiters.push({ label, resolve })
    })
  }

  /** A listener that notes its event by this label, without what came with it. */
  noting(label: string): () => void {
    return () => {
      this.note(label)
    }
  }
}

function show(detail: unknown): string {
  if (detail instanceof Error) return `${detail.name}[${codeOf(detail) ?? ''}] ${detail.message}`
  return JSON.stringify(detail, (_key, value: unknown) => (value === undefined ? 'undefined' : value))
}

/** The `code` of an error, if it has one. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  return String(error.code)
}
