// What the benchmark does with what it measured, and what it refuses before it measures anything. Nothing is timed here.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { chartOf } from '../../bench/chart.js'
import { wantedOf, type Known } from '../../bench/flags.js'
import { Latencies } from '../../bench/load/latencies.js'
import { ratio, rowsOf, tableText } from '../../bench/report.js'
import type { Sample } from '../../bench/rounds.js'
import { median, quiet, spread } from '../../bench/statistics.js'
import { nodeAlone } from '../fixtures/node-alone.js'
import { until } from '../fixtures/until.js'

const known: Known = {
  scenarios: ['requests', 'latency', 'start'],
  contenders: ['nginx', 'haproxy', 'amarre', 'amarre-before'],
  loads: ['2 KiB', '8 MiB'],
}

function sample(contender: string, round: number, workerUs: number, windowsUs: readonly number[]): Sample {
  return {
    contender,
    case: '2 KiB',
    round,
    requests: 20_000,
    seconds: 2,
    failures: 0,
    workerUs,
    windowsUs,
    userUs: workerUs / 2,
    mainUs: 0,
    residentBytes: 0,
    p50Us: 100,
    p99Us: 200,
  }
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i + 1)
}

t.test('a run is of every scenario unless narrowed', async (t) => {
  const wanted = wantedOf([], known)
  t.same(wanted.scenarios, known.scenarios)
  t.same([wanted.only, wanted.cases, wanted.rate, wanted.before], [null, null, null, null])
  t.same(wantedOf(['--scenario', 'start,latency'], known).scenarios, ['start', 'latency'])
  t.same(wantedOf(['--cases', '8 MiB'], known).scenarios, ['requests'])
})

t.test(
  'a quick run is the usual load through few contenders, by fewer rounds than a whole one',
  async (t) => {
    const quick = wantedOf(['--quick'], known)
    t.same(quick.scenarios, ['requests'])
    t.same(quick.cases, ['2 KiB'])
    t.same(quick.only, ['nginx', 'haproxy', 'amarre', 'amarre-before'])
    t.ok(quick.rounds < wantedOf([], known).rounds)
    t.equal(wantedOf(['--quick', '--rounds', '9'], known).rounds, 9)
    t.same(wantedOf(['--quick', '--only', 'amarre'], known).only, ['amarre'])
  },
)

t.test('a name that nobody has is refused with those that there are', async (t) => {
  const of =
    (...words: string[]) =>
    (): unknown =>
      wantedOf(words, known)
  t.throws(of('--scenario', 'start,stop'), {
    message: 'no scenario "stop"; there are requests, latency, start',
  })
  t.throws(of('--only', 'haprox'), {
    message: 'no contender "haprox"; there are nginx, haproxy, amarre, amarre-before',
  })
  t.throws(of('--cases', '2KiB'), { message: 'no load "2KiB"; there are 2 KiB, 8 MiB' })
  t.throws(of('--round', '2'), { code: 'ERR_PARSE_ARGS_UNKNOWN_OPTION' })
})

t.test('rounds, seconds and rate are whole numbers from one on', async (t) => {
  for (const flag of ['rounds', 'seconds', 'rate'])
    for (const text of ['', '0', 'many', '1.5', '-1'])
      t.throws(() => wantedOf([`--${flag}=${text}`], known), {
        message: `--${flag} is a whole number from 1 on, not "${text}"`,
      })
  const { rounds, seconds, rate } = wantedOf(['--rounds', '9', '--seconds', '3', '--rate', '6000'], known)
  t.same([rounds, seconds, rate], [9, 3, 6000])
})

t.test('the median of an even number of rounds lies between the middle two', async (t) => {
  t.equal(median([9, 1, 5]), 5)
  t.equal(median([9, 1, 5, 7]), 6)
  t.ok(Number.isNaN(median([])))
})

t.test('the spread is half the distance from least to greatest, of the median', async (t) => {
  t.equal(spread([8, 10, 12]), 0.2)
})

t.test(
  'the quiet end is what a tenth of the windows do not exceed, and nothing is said of fewer than ten',
  async (t) => {
    t.equal(quiet(upTo(30).toReversed()), 3)
    t.equal(quiet(upTo(10)), 1)
    t.ok(Number.isNaN(quiet(upTo(9))))
  },
)

t.test(
  'a row is of one contender under one load; its ratio is missing where one of the two is',
  async (t) => {
    const rows = rowsOf([
      sample('haproxy', 0, 18, upTo(5)),
      sample('haproxy', 1, 22, upTo(5)),
      sample('amarre', 0, 30, upTo(4)),
      sample('amarre', 1, 30, upTo(4)),
    ])
    const own = rows.find(({ contender }) => contender === 'amarre')
    t.equal(rows.length, 2)
    t.equal(own && ratio(rows, own, 'haproxy'), 1.5)
    t.equal(own && ratio(rows, own, 'haproxy', 'quietUs'), null, 'eight windows are too few')
    t.equal(own && ratio(rows, own, 'nginx'), null)
    const [, line = ''] = tableText(rows).split('\n')
    t.match(line, /^2 KiB +haproxy +20\.00 +10 +1\.00 /)
  },
)

t.test(
  'the chart goes from the cheapest to the dearest, each with its median and what it runs on',
  async (t) => {
    const rows = rowsOf([sample('amarre', 0, 40, upTo(50)), sample('haproxy', 0, 20, upTo(10))])
    const versions = { amarre: 'amarre on Node v20.20.2', haproxy: 'HAProxy version 2.6.12-1 2026/10/17' }
    const chart = chartOf(rows, versions, new Date('2026-11-22T01:00:00Z'))
    t.match(
      chart,
      /haproxy<.*>1\.0 \(median 20\.0\)<.*>2\.6\.12 · .*amarre<.*>5\.0 \(median 40\.0\)<.*>on Node v20\.20\.2 · /s,
    )
    t.match(chart, 'measured on 2026-11-22')
  },
)

t.test('a latency is told within two in a hundred, the worst exactly', async (t) => {
  const latencies = new Latencies()
  for (const ms of upTo(1000)) latencies.add(ms / 10)
  const { p50Us, p99Us, worstUs } = latencies.summaryUs()
  t.ok(Math.abs(p50Us / 50_000 - 1) < 0.02, `${p50Us}`)
  t.ok(Math.abs(p99Us / 99_000 - 1) < 0.02, `${p99Us}`)
  t.equal(worstUs, 100_000)
  latencies.clear()
  t.equal(latencies.summaryUs().p99Us, 0)
})

t.test('who interrupts a run leaves none of its programs behind, nor their own children', async (t) => {
  const programs = fileURLToPath(new URL('../../bench/programs.js', import.meta.url))
  const script = `
    const { startPinned, firstChildOf } = await import(${JSON.stringify(programs)})
    const { pid } = startPinned(0, ['sh', '-c', 'sleep 1000 & wait'], ${JSON.stringify(t.testdir())})
    console.log(pid, await firstChildOf(pid, 'the shell'))`
  const run = spawn(...nodeAlone(['--input-type=module', '-e', script]), {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [said] = (await once(run.stdout, 'data')) as [Buffer]
  const pids = said.toString().trim().split(' ')
  t.ok(pids.every(isAlive))
  run.kill('SIGINT')
  await until('all of them are gone', () => !pids.some(isAlive))
})

/** Who has ended and was not yet asked for is gone too. */
function isAlive(pid: string): boolean {
  return existsSync(`/proc/${pid}/exe`)
}
