// The README's chart: CPU time of one request in quiet windows, one bar a contender with the median beside it, its version
// and what it does of the work, as an SVG that reads on light and dark pages.
import type { Row } from './report.js'

const barHeight = 22
const gap = 28
const left = 110
const widest = 380
const top = 48

/** What each does besides carrying requests, in the words of the chart. */
const duties: Readonly<Record<string, string>> = {
  amarre: 'signed tokens, live count of sessions by release, latencies, forwarded headers',
  'amarre-node': 'the same by the engine for HTTP/2 and TLS',
  haproxy: 'persistence cookie, stick table of sessions, forwarded headers',
  nginx: 'route by cookie, forwarded headers; knows no session',
  caddy: 'persistence cookie, forwarded headers; knows no session',
  undici: 'route by cookie, forwarded headers; knows no session',
  'http-proxy': 'route by cookie, forwarded headers; knows no session',
}

/** Bars from cheapest to dearest. */
export function chartOf(rows: readonly Row[], versions: Readonly<Record<string, string>>, at: Date): string {
  const sorted = rows.toSorted((a, b) => a.quietUs - b.quietUs)
  const most = Math.max(...sorted.map((row) => row.quietUs))
  const height = top + sorted.length * (barHeight + gap) + 4
  const caption = `CPU time of one request in µs, less is better (2 KiB, 64 connections, one core, quiet windows)`
  const bars = sorted.map((row, i) => {
    const note = [shortVersion(versions[row.contender] ?? ''), duties[row.contender] ?? '']
    return barOf(row, { y: top + i * (barHeight + gap), share: row.quietUs / most, note: note.join(' · ') })
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 680 ${height}" font-family="system-ui, sans-serif" font-size="14">
  <style>text { fill: #57606a } .note { font-size: 11px } .own { fill: #1a7f64 } .bar { fill: #8c959f } @media (prefers-color-scheme: dark) { text { fill: #c9d1d9 } }</style>
  <text x="0" y="16">${caption}</text>
  <text x="0" y="34" class="note">measured on ${at.toISOString().slice(0, 10)} by npm run bench</text>
${bars.join('\n')}
</svg>
`
}

interface Bar {
  readonly y: number
  readonly share: number
  readonly note: string
}

function barOf(row: Row, { y, share, note }: Bar): string {
  const width = Math.max(2, Math.round(share * widest))
  const middle = y + barHeight / 2 + 5
  const kind = row.contender.startsWith('amarre') ? 'own' : 'bar'
  return `  <text x="0" y="${middle}">${row.contender}</text>
  <rect class="${kind}" x="${left}" y="${y}" width="${width}" height="${barHeight}" rx="3"/>
  <text x="${left + width + 8}" y="${middle}">${row.quietUs.toFixed(1)} (median ${row.workerUs.toFixed(1)})</text>
  <text x="${left}" y="${y + barHeight + 13}" class="note">${escaped(note)}</text>`
}

/** The number alone where a program says much; of Amarre what it runs on. */
function shortVersion(text: string): string {
  return /(on Node )?v?\d+\.\d+(\.\d+)?/.exec(text)?.[0] ?? text
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
