// A release's life: which event leads where, and when it may be retired. The verdict is the worst thing to be wrong
// about, so every blocker and doubt has its case and every combination of them its property.
import fc from 'fast-check'
import t from 'tap'
import type { ReleaseIndex, ReleaseVersion } from '../../gateway/domain/ids.js'
import type { Registration } from '../../gateway/domain/registration.js'
import {
  acceptsBirths,
  isOnItsWayOut,
  serves,
  transition,
  type Release,
  type ReleaseEvent,
  type ReleaseState,
} from '../../gateway/domain/release.js'
import { dueForRetirement, isEmpty, verdict, type Evidence } from '../../gateway/domain/retirement.js'
import type { Blocker, Doubt, Verdict } from '../../gateway/domain/verdict.js'

const now = 1_800_000_000_000
const asOf = now - 100
const quietMs = 30_000

// -- transitions --------------------------------------------------------------------------------------------------------

const registration = {
  version: '1' as ReleaseVersion,
  hash: 'a',
  targets: ['http://a:1'],
} as unknown as Registration
const edited: Registration = { ...registration, hash: 'b' }

function inState(name: ReleaseState['name'], changes: Partial<Release> = {}): Release {
  return {
    index: 1 as ReleaseIndex,
    registration,
    ordinal: 0,
    generation: 5,
    withdrawn: false,
    wasActive: false,
    isFounder: false,
    activatedAt: null,
    wasGivenUp: false,
    formerTargets: [],
    moveOrder: null,
    ending: null,
    state: { name, since: 0, begunAt: 0, because: 'superseded', why: 'x' } as ReleaseState,
    ...changes,
  }
}

const states = [
  'registered',
  'checking',
  'staged',
  'active',
  'draining',
  'retirable',
  'retired',
  'rejected',
] as const

/** Where each event leads from each state; what is not named stays as it is. */
const arrows: Readonly<Record<string, Partial<Record<ReleaseState['name'], ReleaseState['name']>>>> = {
  check: { registered: 'checking', retired: 'checking', rejected: 'checking' },
  checked: { checking: 'staged' },
  activate: { staged: 'active', draining: 'active', retirable: 'active' },
  drain: { active: 'draining', staged: 'draining' },
  emptied: { draining: 'retirable' },
  returned: { retirable: 'draining' },
  retire: { retirable: 'retired' },
  reject: { registered: 'rejected', checking: 'rejected', staged: 'rejected' },
}

const plainEvents: readonly ReleaseEvent[] = [
  { type: 'check' },
  { type: 'checked' },
  { type: 'activate' },
  { type: 'drain', because: 'operator' },
  { type: 'emptied' },
  { type: 'returned' },
  { type: 'retire' },
  { type: 'reject', why: 'no' },
]

t.test('an event leads where the life of a release says, and changes nothing anywhere else', async (t) => {
  for (const event of plainEvents) {
    for (const name of states) {
      const release = inState(name)
      const next = transition(release, event, now)
      const target = arrows[event.type]?.[name]
      t.equal(next.state.name, target ?? name, `${event.type} in ${name}`)
      if (target === undefined) t.equal(next, release, 'the same object')
      else t.match(next, { generation: 6, state: { since: now } })
    }
  }
})

t.test('a state carries its own: why it drains, why it was rejected, when it was last active', async (t) => {
  const drained = transition(inState('active'), { type: 'drain', because: 'operator' }, now)
  t.match(drained.state, { because: 'operator' })
  const emptied = transition(drained, { type: 'emptied' }, now)
  t.match(emptied.state, { name: 'retirable', because: 'operator' })
  t.match(transition(emptied, { type: 'returned' }, now).state, { name: 'draining', because: 'operator' })
  t.match(transition(inState('staged'), { type: 'reject', why: 'bad' }, now).state, { why: 'bad' })
  t.equal(transition(inState('staged'), { type: 'activate' }, now).activatedAt, now)
  t.equal(transition(drained, { type: 'emptied' }, now).activatedAt, null)
})

t.test(
  'who serves, who accepts births and who is on its way out are three different questions',
  async (t) => {
    const asked = (ask: (release: Release) => boolean) => states.filter((name) => ask(inState(name)))
    t.same(asked(serves), ['registered', 'checking', 'staged', 'active', 'draining', 'retirable'])
    t.same(asked(acceptsBirths), ['active'])
    t.same(asked(isOnItsWayOut), ['draining', 'retirable'])
  },
)

t.test('withdrawn: what serves drains, what does not is only marked', async (t) => {
  const withdraw = (name: ReleaseState['name']) => transition(inState(name), { type: 'withdraw' }, now)
  for (const name of ['registered', 'checking', 'staged', 'active'] as const) {
    t.match(withdraw(name), {
      withdrawn: true,
      generation: 6,
      state: { name: 'draining', because: 'withdrawn', since: now },
    })
  }
  for (const name of ['draining', 'retirable', 'retired', 'rejected'] as const) {
    t.match(withdraw(name), { withdrawn: true, generation: 6, state: { name, since: 0 } })
  }
  t.equal(withdraw('active').wasActive, true, 'what it was is remembered')
  t.equal(withdraw('staged').wasActive, false)
  const twice = withdraw('active')
  t.equal(transition(twice, { type: 'withdraw' }, now + 1), twice)
})

t.test('dropped again: unchanged it is back where it was, changed it is a new registration', async (t) => {
  const withdrawn = (name: ReleaseState['name']) => inState(name, { withdrawn: true, wasActive: true })
  const back = (name: ReleaseState['name'], to: Registration) =>
    transition(withdrawn(name), { type: 'register', registration: to }, now)
  t.match(back('draining', registration), {
    withdrawn: false,
    wasActive: false,
    generation: 6,
    state: { name: 'draining', since: 0 },
  })
  t.match(back('retirable', registration).state, { name: 'retirable' })
  t.match(back('retired', registration).state, { name: 'registered', since: now })
  for (const name of ['draining', 'retirable', 'retired'] as const) {
    t.match(back(name, edited), {
      registration: { hash: 'b' },
      withdrawn: false,
      state: { name: 'registered', since: now },
    })
  }
})

t.test(
  'edited: a release that serves goes on with its new content, one out of service begins anew',
  async (t) => {
    const edit = (name: ReleaseState['name'], to: Registration) =>
      transition(inState(name), { type: 'register', registration: to }, now)
    for (const name of states) {
      const kept = inState(name)
      t.equal(transition(kept, { type: 'register', registration }, now), kept, `the same file, ${name}`)
      const expected = name === 'retired' || name === 'rejected' ? 'registered' : name
      t.match(edit(name, edited), { registration: { hash: 'b' }, generation: 6, state: { name: expected } })
    }
  },
)

const anyEvent: fc.Arbitrary<ReleaseEvent> = fc.constantFrom<ReleaseEvent>(
  ...plainEvents,
  { type: 'withdraw' },
  { type: 'register', registration },
  { type: 'register', registration: edited },
)

t.test(
  'no event but check or register leaves retired, and the generation grows exactly with every change',
  async (t) => {
    fc.assert(
      fc.property(fc.constantFrom(...states), fc.array(anyEvent, { maxLength: 30 }), (start, events) => {
        let release = inState(start)
        for (const event of events) {
          const next = transition(release, event, now)
          const isOther = JSON.stringify(next) !== JSON.stringify(release)
          if (isOther !== (next !== release) || next.generation !== release.generation + (isOther ? 1 : 0))
            return false
          const comesBack = release.state.name === 'retired' && next.state.name !== 'retired'
          if (comesBack && event.type !== 'check' && event.type !== 'register') return false
          if (
            next.state.name === 'retired' &&
            release.state.name !== 'retired' &&
            release.state.name !== 'retirable'
          )
            return false
          release = next
        }
        return true
      }),
      { numRuns: 1000 },
    )
    t.pass()
  },
)

// -- verdicts -----------------------------------------------------------------------------------------------------------

function evidenceOf(changes: Partial<Evidence> = {}): Evidence {
  return {
    asOf,
    acceptsBirths: false,
    isStandingBy: false,
    adoptionUntil: 0,
    birthsUntil: 0,
    sessions: { count: 0, until: 0 },
    exchangesOpen: 0,
    socketsOpen: 0,
    phantoms: [],
    doubts: [],
    emptySince: asOf - quietMs,
    ...changes,
  }
}

const judged = (changes: Partial<Evidence>): Verdict => verdict(evidenceOf(changes), quietMs, now)
const lasting: Doubt = { because: 'worker-silent', until: null }
const passing: Doubt = { because: 'state-lost', until: now + 5000 }
const session = { count: 3, until: asOf + 9000 }

function words(found: Verdict): string {
  if (found.kind === 'retirable') return 'retirable'
  if (found.kind === 'unknown')
    return `unknown ${found.why.map((doubt) => doubt.because).join(' ')} ${found.until}`
  return `blocked ${found.by.map((blocker) => blocker.by).join(' ')} ${found.emptyBy}`
}

t.test('the verdict names everything that blocks, and the instant by which it must be empty', async (t) => {
  const cases: [name: string, evidence: Partial<Evidence>, expected: string][] = [
    ['empty for the quiet period', {}, 'retirable'],
    ['births are accepted', { acceptsBirths: true }, 'blocked accepts-births null'],
    ['it has not been active yet', { isStandingBy: true }, 'blocked standing-by null'],
    ['sessions', { sessions: session }, `blocked sessions ${asOf + 9000}`],
    [
      'sessions, one millisecond before their promise ends',
      { sessions: { count: 1, until: asOf + 1 } },
      `blocked sessions ${asOf + 1}`,
    ],
    ['sessions, as their promise ends', { sessions: { count: 1, until: asOf } }, 'retirable'],
    ['sockets', { socketsOpen: 1 }, 'blocked sockets null'],
    ['exchanges', { exchangesOpen: 1 }, 'blocked exchanges null'],
    ['births', { birthsUntil: asOf + 1 }, `blocked births ${asOf + 1}`],
    ['births, as their promise ends', { birthsUntil: asOf }, 'retirable'],
    ['a phantom', { phantoms: [asOf + 7] }, `blocked phantoms ${asOf + 7}`],
    ['a phantom that has passed', { phantoms: [asOf] }, 'retirable'],
    [
      'the latest of several bounds',
      { sessions: session, birthsUntil: asOf + 3, phantoms: [asOf + 1, asOf + 20_000] },
      `blocked sessions births phantoms ${asOf + 20_000}`,
    ],
    ['something without a bound', { sessions: session, socketsOpen: 1 }, 'blocked sessions sockets null'],
    ['not empty at the last look', { emptySince: null }, 'blocked quiet-period null'],
    ['one millisecond too short', { emptySince: asOf - quietMs + 1 }, 'blocked quiet-period null'],
  ]
  for (const [name, changes, expected] of cases) t.equal(words(judged(changes)), expected, name)
  t.match(judged({ sessions: session }), { by: [{ by: 'sessions', count: 3 }], asOf })
  t.match(judged({ phantoms: [asOf, asOf + 1, asOf + 2] }), { by: [{ count: 2, until: asOf + 2 }] })
  t.match(judged({ emptySince: asOf - 1 }), { by: [{ until: asOf - 1 + quietMs }] })
  t.match(judged({ emptySince: null }), { by: [{ until: asOf + quietMs }] })
  t.same(judged({}), { kind: 'retirable', emptySince: asOf - quietMs, asOf })
})

t.test('while a session is known the verdict is blocked, whatever else is unknown', async (t) => {
  const doubts = [lasting, passing]
  const cases: [name: string, evidence: Partial<Evidence>, expected: string][] = [
    ['nobody known', {}, 'unknown worker-silent state-lost null'],
    ['a doubt that passes', { doubts: [passing] }, `unknown state-lost ${now + 5000}`],
    [
      'the later of two',
      { doubts: [passing, { because: 'clock-jump', until: now + 9000 }] },
      `unknown state-lost clock-jump ${now + 9000}`,
    ],
    ['a doubt whose time has come', { doubts: [{ because: 'state-lost', until: now }] }, 'retirable'],
    [
      'a doubt, one millisecond before',
      { doubts: [{ because: 'state-lost', until: now + 1 }] },
      `unknown state-lost ${now + 1}`,
    ],
    ['sessions', { sessions: session }, `blocked sessions ${asOf + 9000}`],
    ['births are accepted', { acceptsBirths: true }, 'blocked accepts-births null'],
    ['an open socket', { socketsOpen: 1 }, 'blocked sockets null'],
    ['promises to the newborn', { birthsUntil: asOf + 1 }, `blocked births ${asOf + 1}`],
    ['a phantom is itself a doubt', { phantoms: [asOf + 7] }, 'unknown worker-silent state-lost null'],
    ['before the quiet period', { emptySince: null }, 'unknown worker-silent state-lost null'],
  ]
  for (const [name, changes, expected] of cases)
    t.equal(words(judged({ doubts, ...changes })), expected, name)
})

const offset = fc.integer({ min: -3, max: 3 }).map((ms) => asOf + ms)
const anyEvidence: fc.Arbitrary<Evidence> = fc.record({
  asOf: fc.constant(asOf),
  acceptsBirths: fc.boolean(),
  isStandingBy: fc.boolean(),
  adoptionUntil: fc.oneof(fc.constant(0), offset),
  birthsUntil: fc.oneof(fc.constant(0), offset),
  sessions: fc.record({ count: fc.nat(2), until: offset }),
  exchangesOpen: fc.nat(1),
  socketsOpen: fc.nat(1),
  phantoms: fc.array(offset, { maxLength: 2 }),
  doubts: fc.subarray([lasting, passing, { because: 'clock-jump', until: now - 1 } as Doubt]),
  emptySince: fc.constantFrom(null, asOf, asOf - quietMs, asOf - quietMs + 1),
})

t.test(
  'it is never retirable while any promise lies ahead of asOf, anything is open or anything is in doubt',
  async (t) => {
    let retirable = 0
    fc.assert(
      fc.property(anyEvidence, (seen) => {
        const found = verdict(seen, quietMs, now)
        const ahead = [
          seen.adoptionUntil,
          seen.birthsUntil,
          ...seen.phantoms,
          seen.sessions.count > 0 ? seen.sessions.until : 0,
        ]
        const isWaiting = seen.acceptsBirths || seen.isStandingBy
        const isHeld = isWaiting || seen.socketsOpen > 0 || seen.exchangesOpen > 0
        const isFree = !isHeld && ahead.every((until) => until <= asOf)
        const isSure = seen.doubts.every((doubt) => doubt.until !== null && doubt.until <= now)
        const isQuiet = seen.emptySince !== null && seen.emptySince + quietMs <= asOf
        if (found.kind === 'retirable') retirable++
        return isEmpty(seen) === isFree && (found.kind === 'retirable') === (isFree && isSure && isQuiet)
      }),
      { numRuns: 20_000 },
    )
    t.ok(retirable > 0, `${retirable} were`)
  },
)

t.test('the bound is the latest of all, and there is none while one blocker has none', async (t) => {
  fc.assert(
    fc.property(anyEvidence, (seen) => {
      const found = verdict(seen, quietMs, now)
      if (found.kind !== 'blocked') return true
      const bounds = found.by.map((blocker: Blocker) => ('until' in blocker ? blocker.until : null))
      const isQuietOnly = found.by.every((blocker) => blocker.by === 'quiet-period')
      if (isQuietOnly || bounds.includes(null)) return found.emptyBy === null
      return (
        found.emptyBy !== null && bounds.every((bound) => bound !== null && bound <= (found.emptyBy ?? 0))
      )
    }),
    { numRuns: 5000 },
  )
  t.pass()
})

t.test('retire.when: auto takes all that are retirable but for the newest warm ones', async (t) => {
  const former = [
    { version: '1', activatedAt: 10, isRetirable: true },
    { version: '4', activatedAt: 40, isRetirable: true },
    { version: '2', activatedAt: 20, isRetirable: false },
    { version: '3', activatedAt: 30, isRetirable: true },
    { version: '0', activatedAt: null, isRetirable: true },
  ]
  const due = (warm: number) => dueForRetirement(former, warm).map((each) => each.version)
  t.same(due(0), ['4', '3', '1', '0'])
  t.same(due(1), ['3', '1', '0'], 'the newest is kept warm')
  t.same(due(3), ['1', '0'], 'one that is not retirable counts as warm too')
  t.same(due(9), [])
})
