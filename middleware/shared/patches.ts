/** Replaces methods of Node's, and puts them back. */

interface Patch {
  readonly target: object
  readonly name: string | symbol
  readonly replacement: unknown
  readonly original: PropertyDescriptor | undefined
}

/** Methods that have been replaced. */
export class Patches {
  readonly #patches: Patch[] = []

  /** Replaces a method, own or inherited; `wrap` gets the one that was there. */
  replace<Target extends object, Name extends keyof Target & (string | symbol)>(target: Target, name: Name, wrap: (original: Target[Name]) => Target[Name]): void {
    const original = Object.getOwnPropertyDescriptor(target, name)
    const replacement = wrap(target[name])
    Object.defineProperty(target, name, { value: replacement, writable: true, configurable: true, enumerable: original?.enumerable ?? false })
    this.#patches.push({ target, name, replacement, original })
  }

  /** Whether a method of this target has been replaced. */
  has(target: object, name: string | symbol): boolean {
    return this.#patches.some((patch) => patch.target === target && patch.name === name)
  }

  /** Puts the originals back, except where other code has replaced a method since: its replacement calls ours. */
  restore(): void {
    for (const { target, name, replacement, original } of this.#patches.splice(0).reverse()) {
      if (Reflect.get(target, name) !== replacement) continue
      if (original === undefined) Reflect.deleteProperty(target, name)
      else Object.defineProperty(target, name, original)
    }
  }
}
