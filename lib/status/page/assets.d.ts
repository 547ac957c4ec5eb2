/** What the status page is made of, by file name. tools/build-page.js writes the module: text in it, a bundler leaves no file behind. */
export declare const ASSETS: Readonly<Record<'page.html' | 'page.css' | 'page.js' | 'icon.svg', string>>
