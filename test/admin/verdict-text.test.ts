// The words of verdicts, spans and instants.
import t from 'tap'
import { verdictStatus } from '../../gateway/controlplane/verdict-status.js'
import { minuteText, spanText } from '../../gateway/domain/instant-text.js'
import { verdictText } from '../../gateway/domain/verdict-text.js'
import type { Blocker, Doubt, Verdict } from '../../gateway/domain/verdict.js'

const now = Date.parse('2026-03-01T14:20:00Z')
const inTwelveMinutes = now + 12 * 60_000

function blocked(by: readonly Blocker[], emptyBy: number | null): Verdict {
  return { kind: 'blocked', by, emptyBy, asOf: now }
}

function unknown(why: readonly Doubt[], until: number | null): Verdict {
  return { kind: 'unknown', why, until, asOf: now }
}

const cases: readonly (readonly [Verdict, string])[] = [
  [
    { kind: 'retirable', emptySince: now - 90 * 60_000, asOf: now },
    'retirable, empty since 12:50 UTC (1h 30m)',
  ],
  [
    blocked([{ by: 'sessions', count: 3, until: inTwelveMinutes }], inTwelveMinutes),
    'blocked by 3 sessions; empty by 14:32 UTC (in 12m) if nobody returns',
  ],
  [
    blocked(
      [
        { by: 'sessions', count: 1, until: inTwelveMinutes },
        { by: 'sockets', count: 2 },
        { by: 'exchanges', count: 1 },
      ],
      null,
    ),
    'blocked by 1 session, 2 sockets, 1 exchange; no bound while something is open',
  ],
  [
    blocked(
      [
        { by: 'births', until: now + 30_000 },
        { by: 'phantoms', count: 1, until: inTwelveMinutes },
      ],
      inTwelveMinutes,
    ),
    'blocked by births until 14:21 UTC, 1 phantom; empty by 14:32 UTC (in 12m) if nobody returns',
  ],
  [
    blocked([{ by: 'accepts-births' }, { by: 'sessions', count: 2, until: inTwelveMinutes }], null),
    'blocked by accepting births, 2 sessions',
  ],
  [
    blocked(
      [{ by: 'adoption', until: Date.parse('2026-04-01T00:00:00Z') }],
      Date.parse('2026-04-01T00:00:00Z'),
    ),
    'blocked by adoption until 2026-04-01 00:00 UTC; empty by 2026-04-01 00:00 UTC (in 30d 10h) if nobody returns',
  ],
  [
    blocked([{ by: 'quiet-period', until: now + 30_000 }], null),
    'blocked by the quiet period until 14:21 UTC (in 30s)',
  ],
  [
    blocked([{ by: 'sessions', count: 1, until: Infinity }], Infinity),
    'blocked by 1 session; empty by further notice if nobody returns',
  ],
  [
    unknown([{ because: 'state-lost', until: inTwelveMinutes }], inTwelveMinutes),
    'unknown: the state was lost; certain again by 14:32 UTC (in 12m)',
  ],
  [
    unknown(
      [
        { because: 'clock-jump', until: now },
        { because: 'foreign-tokens', until: now },
        { because: 'worker-silent', until: null },
        { because: 'starting', until: null },
      ],
      null,
    ),
    'unknown: the clock jumped, tokens of another gateway arrived, a worker does not report, the gateway is starting; lasts until its cause ends',
  ],
]

t.test('a verdict in words', (t) => {
  for (const [verdict, text] of cases) t.equal(verdictText(verdict, now), text)
  t.end()
})

t.test('a verdict as JSON has ISO instants, null where there is no bound', (t) => {
  const sessions = { by: 'sessions', count: 3, until: inTwelveMinutes } as const
  t.same(verdictStatus(blocked([sessions, { by: 'sockets', count: 2 }], null), now), {
    kind: 'blocked',
    text: 'blocked by 3 sessions, 2 sockets; no bound while something is open',
    asOf: '2026-03-01T14:20:00.000Z',
    at: null,
    reasons: [
      { by: 'sessions', count: 3, until: '2026-03-01T14:32:00.000Z' },
      { by: 'sockets', count: 2 },
    ],
  })
  t.match(verdictStatus({ kind: 'retirable', emptySince: now, asOf: now }, now), {
    at: '2026-03-01T14:20:00.000Z',
    reasons: [],
  })
  t.match(verdictStatus(unknown([{ because: 'starting', until: null }], null), now), {
    at: null,
    reasons: [{ because: 'starting', until: null }],
  })
  t.equal(verdictStatus(blocked([sessions], Infinity), now).at, null)
  t.end()
})

t.test('a span is told in its one or two largest units', (t) => {
  const cases: readonly (readonly [number, string])[] = [
    [-5, '0s'],
    [0, '0s'],
    [40_400, '40s'],
    [59_600, '1m'],
    [12 * 60_000, '12m'],
    [59 * 60_000 + 40_000, '1h'],
    [65 * 60_000, '1h 5m'],
    [76 * 3_600_000, '3d 4h'],
    [7 * 86_400_000, '7d'],
    [Infinity, 'without end'],
  ]
  for (const [span, text] of cases) t.equal(spanText(span), text)
  t.end()
})

t.test('a minute ahead is rounded up, one that is past rounded down, another day has its date', (t) => {
  t.equal(minuteText(now + 1, now), '14:21 UTC')
  t.equal(minuteText(now - 1, now), '14:19 UTC')
  t.equal(minuteText(now, now), '14:20 UTC')
  t.equal(minuteText(now + 86_400_000, now), '2026-03-02 14:20 UTC')
  t.end()
})
