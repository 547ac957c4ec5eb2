/** Pages in a real browser: Debian's Chromium, driven by playwright-core. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core'
import { findProgram, type Requirement } from '../../../proxies/support/programs.js'

const program = findProgram('chromium')
export const CHROMIUM: Requirement = { package: 'chromium', installed: program !== undefined }

const FLAGS = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
]
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

export async function launch(): Promise<Browser> {
  return chromium.launch({ args: FLAGS, ...(program === undefined ? {} : { executablePath: program }) })
}

/** A page, and what it has complained of. */
export interface Visit {
  page: Page
  /** Errors and warnings on the console, uncaught errors, violations of the Content-Security-Policy. */
  complaints: string[]
  /** Addresses that were asked for. */
  requested: string[]
}

export async function visit(browser: Browser, options: BrowserContextOptions = {}): Promise<Visit> {
  const context = await browser.newContext({ locale: 'en-GB', timezoneId: 'Europe/Berlin', viewport: { width: 1280, height: 900 }, ...options })
  const page = await context.newPage()
  const [complaints, requested]: [string[], string[]] = [[], []]
  page.on('console', (message) => { if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text()) })
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('request', (request) => requested.push(request.url()))
  await page.addInitScript('addEventListener("securitypolicyviolation", (event) => console.error("violated: " + event.violatedDirective))')
  return { page, complaints, requested }
}

/** What axe-core finds wrong, on the page or a part of it: the rule and the elements. */
export async function violations(page: Page, part = 'html'): Promise<string[]> {
  await page.evaluate(axe)
  const { violations: found } = await page.evaluate<{ violations: { id: string; nodes: { html: string }[] }[] }>(`axe.run(${JSON.stringify(part)})`)
  return found.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`)
}

/** Waits until an element's text is this, or has this in it. */
export async function says(page: Page, selector: string, text: string | RegExp): Promise<void> {
  await page.locator(selector, { hasText: text }).waitFor()
}

export async function textOf(page: Page, selector: string): Promise<string> {
  return (await page.locator(selector).innerText()).trim()
}

/** An expression of the browser's about `element`, the first that the selector finds. */
export async function inPage(page: Page, selector: string, expression: string): Promise<unknown> {
  return page.evaluate(`((element) => ${expression})(document.querySelector(${JSON.stringify(selector)}))`)
}

/** The points of the path that the selector finds. */
export async function pointsOf(page: Page, selector: string): Promise<{ x: number; y: number }[]> {
  const path = await page.locator(selector).getAttribute('d')
  return [...(path ?? '').matchAll(/([\d.]+),([\d.]+)/g)].map(([, x, y]) => ({ x: Number(x), y: Number(y) }))
}
