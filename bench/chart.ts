// The README's chart: CPU time of one request, one bar a contender, as an SVG that reads on light and dark pages.
import type { Row } from './report.js'

const barHeight = 26
const gap = 10
const left = 110
const widest = 470
const top = 44

/** Bars from cheapest to dearest. */
export function chartOf(rows: readonly Row[], caption: string): string {
  const sorted = rows.toSorted((a, b) => a.workerUs - b.workerUs)
  const most = Math.max(...sorted.map((row) => row.workerUs))
  const height = top + sorted.length * (barHeight + gap) + 6
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 680 ${height}" font-family="system-ui, sans-serif" font-size="14">
  <style>text { fill: #57606a } .own { fill: #1a7f64 } .bar { fill: #8c959f } @media (prefers-color-scheme: dark) { text { fill: #c9d1d9 } }</style>
  <text x="0" y="20">${caption}</text>
${sorted.map((row, i) => barOf(row, top + i * (barHeight + gap), row.workerUs / most)).join('\n')}
</svg>
`
}

function barOf(row: Row, y: number, share: number): string {
  const width = Math.max(2, Math.round(share * widest))
  const middle = y + barHeight / 2 + 5
  const kind = row.contender === 'amarre' ? 'own' : 'bar'
  return `  <text x="0" y="${middle}">${row.contender}</text>
  <rect class="${kind}" x="${left}" y="${y}" width="${width}" height="${barHeight}" rx="3"/>
  <text x="${left + width + 8}" y="${middle}">${row.workerUs.toFixed(1)} µs</text>`
}
