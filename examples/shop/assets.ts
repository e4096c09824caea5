// Style sheet and script of one release. Their addresses carry the version, and no release has another's: what a
// page asks for must reach the release that made the page. Knows nothing of visitors.
import type { Release } from './release.js'

/** Where the pages of a release find their style sheet and script. */
export function assetPaths(version: string): { readonly css: string; readonly js: string } {
  return { css: `/assets/app.${version}.css`, js: `/assets/app.${version}.js` }
}

/** The style sheet, in the colour of the release. */
export function styleSheet({ hue }: Release): string {
  return `:root {
  color-scheme: light dark;
  --brand: hsl(${hue} 62% 28%);
  --brand-soft: hsl(${hue} 45% 93%);
  --ink: hsl(${hue} 20% 14%);
  --quiet: hsl(${hue} 8% 38%);
  --paper: hsl(${hue} 30% 98%);
  --card: #fff;
  --line: hsl(${hue} 18% 84%);
  --accent: var(--brand);
}
@media (prefers-color-scheme: dark) {
  :root {
    --brand-soft: hsl(${hue} 25% 18%);
    --ink: hsl(${hue} 15% 92%);
    --quiet: hsl(${hue} 8% 70%);
    --paper: hsl(${hue} 16% 9%);
    --card: hsl(${hue} 14% 13%);
    --line: hsl(${hue} 12% 27%);
    --accent: hsl(${hue} 55% 74%);
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 1rem/1.55 system-ui, sans-serif; }
a { color: var(--accent); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
h1 { font-size: clamp(1.5rem, 1.2rem + 1.5vw, 2.1rem); line-height: 1.2; margin: 0 0 0.35em; text-wrap: balance; }
h2 { font-size: 1.1rem; margin: 0; }
.wrap { max-width: 66rem; margin: 0 auto; padding-inline: 1rem; }
.skip { position: absolute; left: -999px; }
.skip:focus { left: 1rem; top: 0.5rem; background: var(--card); padding: 0.5rem 1rem; }
.mast { background: var(--brand); color: #fff; }
.mast a { color: inherit; }
.mast .wrap { display: flex; flex-wrap: wrap; gap: 0.25rem 1.5rem; align-items: center; padding-block: 0.7rem; }
.mark { font-weight: 700; font-size: 1.15rem; text-decoration: none; margin-right: auto; }
.badge { background: #fff; color: var(--brand); border-radius: 99px; padding: 0.1rem 0.75rem; font-weight: 600; }
nav ul { display: flex; flex-wrap: wrap; gap: 0.25rem 1.1rem; list-style: none; margin: 0; padding: 0; align-items: center; }
nav a { display: inline-block; padding: 0.4rem 0; }
nav [aria-current] { font-weight: 700; text-decoration-thickness: 3px; text-underline-offset: 5px; }
main { padding-block: 1.75rem 3rem; }
.lead { color: var(--quiet); max-width: 44rem; margin: 0 0 1.25rem; }
.note { border: 1px solid var(--line); border-left: 5px solid var(--accent); background: var(--brand-soft); padding: 0.7rem 1rem; margin: 0 0 1.25rem; border-radius: 0 0.5rem 0.5rem 0; }
.grid { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr)); list-style: none; padding: 0; margin: 0; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 0.9rem; padding: 1.1rem; display: flex; flex-direction: column; gap: 0.5rem; }
.card svg { width: 3.2rem; height: 3.2rem; fill: none; stroke: var(--accent); stroke-width: 1.4; stroke-linecap: round; stroke-linejoin: round; }
.card p { margin: 0; color: var(--quiet); }
.card .price { color: var(--ink); font-weight: 600; margin-top: auto; }
.row { display: flex; flex-wrap: wrap; gap: 0.6rem; align-items: center; }
form { margin: 0; }
button { font: inherit; font-weight: 600; min-height: 2.75rem; padding: 0.4rem 1.1rem; border-radius: 0.6rem; border: 1px solid var(--accent); background: transparent; color: var(--accent); cursor: pointer; }
button.main { background: var(--brand); border-color: var(--brand); color: #fff; }
.mast button { min-height: 2rem; border-color: currentColor; color: inherit; padding: 0.1rem 0.8rem; font-weight: 400; }
input[type='text'] { font: inherit; padding: 0.55rem 0.7rem; border-radius: 0.5rem; border: 1px solid var(--quiet); background: var(--card); color: inherit; width: 100%; max-width: 22rem; }
label { display: block; font-weight: 600; margin-bottom: 0.3rem; }
.field { margin: 0 0 1rem; }
table { width: 100%; border-collapse: collapse; margin: 0 0 1.25rem; }
th, td { text-align: left; padding: 0.6rem 0.35rem; border-bottom: 1px solid var(--line); }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td button { min-height: 2.25rem; padding: 0.1rem 0.7rem; font-weight: 400; }
input[type='checkbox'] { width: 1.25rem; height: 1.25rem; vertical-align: -0.2rem; accent-color: var(--brand); }
footer { border-top: 1px solid var(--line); color: var(--quiet); padding-block: 1.25rem 2rem; font-size: 0.92rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.15rem 1rem; margin: 0; }
dd { margin: 0; overflow-wrap: anywhere; font-family: ui-monospace, monospace; color: var(--ink); }
`
}

/** The script: shows the live part, and says so when another release answers it than made the page. */
export function script({ version }: Release): string {
  return `'use strict'
const live = document.getElementById('live')
const source = new EventSource('/events')
source.addEventListener('tick', (event) => {
  const tick = JSON.parse(event.data)
  const time = new Date(tick.at).toLocaleTimeString()
  live.textContent =
    time + ', from release ' + tick.version + ', process ' + tick.name + '; baskets here: ' + tick.baskets
  if (tick.version !== '${version}') live.append(' (this page is of release ${version})')
})
source.addEventListener('error', () => {
  live.textContent = 'interrupted, trying again'
})
addEventListener('pagehide', () => source.close())
addEventListener('pageshow', (event) => {
  if (event.persisted) location.reload()
})
`
}
