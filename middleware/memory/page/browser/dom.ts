/** Elements: found, made, changed. Text is always set as text, never as markup. */

const SVG = 'http://www.w3.org/2000/svg'

/** The element with this id, which page.html has. */
export function byId(id: string): HTMLElement {
  return byIdOf(id, HTMLElement)
}

/** The same, of a kind of element. */
export function byIdOf<Kind extends Element>(id: string, kind: new () => Kind): Kind {
  const found = document.getElementById(id)
  if (found instanceof kind) return found
  throw new Error(`page.html has no ${kind.name} #${id}`)
}

/** Attributes by their names. */
export type Attributes = Readonly<Record<string, string | number>>

/** A new element of HTML. */
export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name, attributes: Attributes = {}, ...content: readonly (Node | string)[]
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name)
  setAll(made, attributes)
  made.append(...content)
  return made
}

/** A new element of SVG. */
export function shape<Name extends keyof SVGElementTagNameMap>(
  name: Name, attributes: Attributes = {}, ...content: readonly (Node | string)[]
): SVGElementTagNameMap[Name] {
  const made = document.createElementNS(SVG, name)
  setAll(made, attributes)
  made.append(...content)
  return made
}

/** Sets attributes. */
export function setAll(target: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) target.setAttribute(name, String(value))
}

/** Touches the document only where the text differs: what is live is announced once. */
export function setText(target: Element, text: string): void {
  if (target.textContent !== text) target.textContent = text
}

/** A bar that fills a share of its line. The width is set through the CSSOM, which a Content-Security-Policy allows. */
export function bar(share: number): HTMLElement {
  const fill = element('span', { class: 'bar-fill' })
  fill.style.inlineSize = `${String(Math.round(1000 * Math.min(1, Math.max(0, share))) / 10)}%`
  return element('span', { class: 'bar', 'aria-hidden': 'true' }, fill)
}

/** For a button that asks the app: pressing it again meanwhile does nothing. It keeps the focus. */
export function onPress(button: HTMLElement, press: () => Promise<void>): void {
  let running = false
  button.addEventListener('click', () => {
    if (running) return
    running = true
    button.setAttribute('aria-disabled', 'true')
    void press().finally(() => {
      running = false
      button.removeAttribute('aria-disabled')
    })
  })
}
