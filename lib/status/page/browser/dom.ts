/** Elements of the page. Text is always set as text: nothing that comes from the app is ever markup. */

const SVG = 'http://www.w3.org/2000/svg'

type Attributes = Readonly<Record<string, string | number>>
type Child = Node | string

/** An element that the page has. */
export function byId(id: string): HTMLElement {
  const found = document.getElementById(id)
  if (found === null) throw new Error(`the page has no #${id}`)
  return found
}

/** A new element of HTML. */
export function element(name: string, attributes: Attributes = {}, ...children: Child[]): HTMLElement {
  const made = document.createElement(name)
  setAll(made, attributes)
  made.append(...children)
  return made
}

/** A new element of SVG. */
export function shape(name: string, attributes: Attributes = {}, ...children: Child[]): SVGElement {
  const made = document.createElementNS(SVG, name)
  setAll(made, attributes)
  made.append(...children)
  return made
}

/** Sets attributes. */
export function setAll(target: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) target.setAttribute(name, String(value))
}

/** Sets a text where it is another one: what has not changed is not announced again. */
export function setText(target: HTMLElement, text: string): void {
  if (target.textContent !== text) target.textContent = text
}
