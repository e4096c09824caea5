// When a checked release boards: plans, windows in their zones, freeze, missed instants.
import t from 'tap'
import type { ActivationPlan, IfMissed } from '../../gateway/domain/registration.js'
import { boarding, isOpen, nextOpening } from '../../gateway/domain/schedule.js'
import type { ActivationWindow } from '../../gateway/domain/site-policy.js'

const instant = (text: string): number => Date.parse(text)
const nights: ActivationWindow = { days: ['mon', 'tue'], from: '22:00', to: '04:00', zone: 'Europe/Paris' }
const office: ActivationWindow = { days: ['wed'], from: '09:00', to: '17:00', zone: 'America/New_York' }

t.test('a window is open from its first minute to the minute before its last, in its own zone', async (t) => {
  // 2026-11-23 is a Monday; Paris is at UTC+1, New York at UTC-5
  const cases: readonly (readonly [at: string, open: boolean])[] = [
    ['2026-11-23T20:59:59Z', false],
    ['2026-11-23T21:00:00Z', true],
    ['2026-11-24T02:59:59Z', true],
    ['2026-11-24T03:00:00Z', false],
    ['2026-11-24T21:30:00Z', true],
    ['2026-11-25T02:30:00Z', true],
    ['2026-11-25T21:30:00Z', false],
    ['2026-11-22T23:30:00Z', false],
    ['2026-11-23T02:30:00Z', false],
  ]
  for (const [at, open] of cases) t.equal(isOpen([nights], instant(at)), open, at)
  t.equal(isOpen([nights, office], instant('2026-11-25T14:00:00Z')), true)
  t.equal(isOpen([office], instant('2026-11-25T13:59:59Z')), false)
  t.equal(isOpen([], 0), true, 'none: always')
})

t.test('the next opening is the first of all windows, over the change to summer time too', async (t) => {
  t.equal(nextOpening([nights, office], instant('2026-11-24T12:00:00Z')), instant('2026-11-24T21:00:00Z'))
  t.equal(nextOpening([nights, office], instant('2026-11-25T00:00:00Z')), instant('2026-11-25T14:00:00Z'))
  t.equal(nextOpening([nights], instant('2026-11-24T22:00:00Z')), instant('2026-11-30T21:00:00Z'))
  // Paris changes to UTC+2 on 2027-03-28
  t.equal(nextOpening([nights], instant('2027-03-26T12:00:00Z')), instant('2027-03-29T20:00:00Z'))
  t.equal(nextOpening([], 0), null)
})

t.test('an hour that the clock skips opens with the hour after it', async (t) => {
  const skipped: ActivationWindow = { days: ['sun'], from: '02:30', to: '05:00', zone: 'Europe/Paris' }
  const opening = nextOpening([skipped], instant('2027-03-27T12:00:00Z')) ?? 0
  t.ok(opening >= instant('2027-03-28T00:30:00Z') && opening <= instant('2027-03-28T01:30:00Z'))
})

const open = { isFrozen: false, windows: [] }
const at = instant('2026-11-24T12:00:00Z')
const planned = (ifMissed: IfMissed): ActivationPlan => ({ kind: 'at', at, ifMissed })

t.test('manual waits for an operator, auto boards, a freeze stops both plans and instants', async (t) => {
  t.same(boarding({ kind: 'manual' }, open, at), { kind: 'wait', because: 'manual', until: null })
  t.same(boarding({ kind: 'auto' }, open, at), { kind: 'board' })
  const frozen = { ...open, isFrozen: true }
  t.same(boarding({ kind: 'auto' }, frozen, at), { kind: 'wait', because: 'frozen', until: null })
  t.same(boarding(planned('immediately'), frozen, at), { kind: 'wait', because: 'frozen', until: null })
})

t.test('auto waits for its window', async (t) => {
  t.same(boarding({ kind: 'auto' }, { ...open, windows: [nights] }, at), {
    kind: 'wait',
    because: 'closed-window',
    until: instant('2026-11-24T21:00:00Z'),
  })
})

t.test('an instant is waited for, kept within a minute, and missed after that', async (t) => {
  t.same(boarding(planned('skip'), open, at - 1), { kind: 'wait', because: 'not-yet', until: at })
  t.same(boarding(planned('skip'), open, at), { kind: 'board' })
  t.same(boarding(planned('skip'), open, at + 60_000), { kind: 'board' })
  t.same(boarding(planned('skip'), open, at + 60_001), { kind: 'wait', because: 'missed', until: null })
})

t.test('a missed instant boards at once, in the next window, or never, as ifMissed says', async (t) => {
  const closed = { ...open, windows: [nights] }
  const late = at + 3_600_000
  t.same(boarding(planned('immediately'), closed, late), { kind: 'board' })
  t.match(boarding(planned('next-window'), closed, late), { because: 'closed-window' })
  t.same(boarding(planned('next-window'), closed, instant('2026-11-24T21:00:00Z')), { kind: 'board' })
  t.same(boarding(planned('next-window'), open, late), { kind: 'board' }, 'without windows it is always open')
})
