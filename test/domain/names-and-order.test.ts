// Names, the order of versions and whose sessions a release can take over, path patterns, and the small pure rules of
// targets, attempts and errors.
import fc from 'fast-check'
import t from 'tap'
import {
  parseReleaseIndex,
  parseReleaseVersion,
  parseSessionId,
  parseSiteName,
  parseTargetUrl,
  type ReleaseVersion,
} from '../../gateway/domain/ids.js'
import { anotherTarget, freeTarget, sessionTarget } from '../../gateway/domain/balancing.js'
import { errorKinds, GatewayError, type ErrorCode } from '../../gateway/domain/errors.js'
import { PathSet } from '../../gateway/domain/path-pattern.js'
import { nextAttempt, type FailedAttempt } from '../../gateway/domain/retry.js'
import type { ReleaseRoute, TargetRoute } from '../../gateway/domain/routing-table.js'
import type { Token } from '../../gateway/domain/session.js'
import type { HealthPolicy } from '../../gateway/domain/site-policy.js'
import {
  isDead,
  isUsable,
  newHealth,
  observe,
  type TargetHealth,
} from '../../gateway/domain/target-health.js'
import { canServe, compareVersions, type Compatibility } from '../../gateway/domain/version-order.js'

function version(text: string): ReleaseVersion {
  const parsed = parseReleaseVersion(text)
  if (parsed === null) throw new Error(`no version: "${text}"`)
  return parsed
}

// -- names --------------------------------------------------------------------------------------------------------------

t.test('each kind of name has one parser, which refuses whatever is not one', async (t) => {
  for (const text of ['shop', 'a', '0', 'a-b-1', 'x'.repeat(63)]) t.equal(parseSiteName(text), text)
  for (const text of ['', '-a', 'Shop', 'a_b', 'a.b', 'x'.repeat(64), 'a\n'])
    t.equal(parseSiteName(text), null, text)

  for (const text of ['1', '2.10', 'v1.0.0-rc.1+build_2', 'A', 'x'.repeat(64)])
    t.equal(parseReleaseVersion(text), text)
  for (const text of ['', '.1', '-1', '1/2', '1 2', 'x'.repeat(65), '1\n', 'é']) {
    t.equal(parseReleaseVersion(text), null, text)
  }

  t.equal(parseSessionId('0123456789abcdef'), '0123456789abcdef')
  for (const text of ['', '0123456789ABCDEF', '0123456789abcde', '0123456789abcdef0', '0123456789abcdeg']) {
    t.equal(parseSessionId(text), null, text)
  }

  for (const index of [0, 1, 65_534]) t.equal(parseReleaseIndex(index), index)
  for (const index of [-1, 65_535, 1.5, Number.NaN]) t.equal(parseReleaseIndex(index), null, String(index))
})

t.test('a target is a scheme, a host and a port, or an absolute socket path', async (t) => {
  const accepted: Readonly<Record<string, string>> = {
    'http://shop': 'http://shop:80',
    'http://Shop:3000/': 'http://shop:3000',
    'https://shop': 'https://shop:443',
    'http://[::1]:3000': 'http://[::1]:3000',
    'http://10.0.0.1:65535': 'http://10.0.0.1:65535',
    'unix:/run/shop.sock': 'unix:/run/shop.sock',
  }
  for (const [text, url] of Object.entries(accepted)) t.equal(parseTargetUrl(text), url, text)
  const refused = [
    '',
    'shop:3000',
    'ftp://shop',
    'http://',
    'http://shop:0',
    'http://shop:65536',
    'http://shop/path',
    'http://shop?q',
    'http://user@shop',
    'http://shop:3000\n',
    'unix:',
    'unix:/',
    'unix:run/shop.sock',
    'unix:/run/\0',
  ]
  for (const text of refused) t.equal(parseTargetUrl(text), null, text)
})

// -- order of versions --------------------------------------------------------------------------------------------------

t.test('versions have a natural order: numbers by value, letters after, pre-releases before', async (t) => {
  const ascending = [
    ['1.0.0-rc.9', '1.0.0-rc.10', '1.0.0'],
    ['1.00C', '1.00E'],
    ['1.00', '1.00C'],
    ['9', '11'],
    ['2.9', '2.10'],
    ['v9', '10', 'V11'],
    ['1.0.0-1', '1.0.0-alpha', '1.0.0-alpha.1', '1.0.0-beta', '1.0.0', '1.0.1-alpha'],
    ['1', '1.0', '1.0.0', '1.0.a'],
    ['2024-01-09', '2024-01-10'],
    ['99999999999999999998', '99999999999999999999', '100000000000000000000'],
    ['1-', '1'],
  ]
  for (const versions of ascending) {
    versions.forEach((a, i) => {
      versions.forEach((b, j) => {
        const order = compareVersions(version(a), version(b))
        t.equal(Math.sign(order), Math.sign(i - j), `${a} and ${b}`)
      })
    })
  }
})

t.test('a leading v says nothing, and equal values in other words still have an order', async (t) => {
  t.ok(compareVersions(version('v2'), version('3')) < 0)
  t.ok(compareVersions(version('2'), version('v3')) < 0)
  t.not(compareVersions(version('v2'), version('2')), 0)
  t.not(compareVersions(version('1.0'), version('1.00')), 0)
  t.ok(compareVersions(version('vacuum'), version('1')) > 0, 'a v that no digit follows is a letter')
})

const anyVersion = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._+-]{0,7}$/).map(version)
// Few distinct characters meet in ties far more often.
const likelyTies = fc.stringMatching(/^[01va][01va.-]{0,5}$/).map(version)
const versions = fc.oneof(anyVersion, likelyTies)

t.test(
  'the order of versions is total: antisymmetric, transitive, and 0 for the same text only',
  async (t) => {
    fc.assert(
      fc.property(versions, versions, (a, b) => {
        const [there, back] = [Math.sign(compareVersions(a, b)), Math.sign(compareVersions(b, a))]
        return there === -back + 0 && (there === 0) === (a === b)
      }),
      { numRuns: 2000 },
    )
    fc.assert(
      fc.property(versions, versions, versions, (a, b, c) => {
        const [first, second, third] = [a, b, c].sort(compareVersions)
        return (
          first !== undefined &&
          second !== undefined &&
          third !== undefined &&
          compareVersions(first, third) <= 0
        )
      }),
      { numRuns: 2000 },
    )
    fc.assert(
      fc.property(versions, versions, versions, (a, b, c) => {
        const isChain = compareVersions(a, b) <= 0 && compareVersions(b, c) <= 0
        return !isChain || compareVersions(a, c) <= 0
      }),
      { numRuns: 2000 },
    )
    t.pass()
  },
)

t.test('a session moves only forwards from compatibleFrom, or backwards down to rollbackTo', async (t) => {
  const of = (own: string, from: string | null = null, to: string | null = null): Compatibility => ({
    version: version(own),
    compatibleFrom: from === null ? null : version(from),
    rollbackTo: to === null ? null : version(to),
  })
  const cases: [name: string, from: Compatibility, to: Compatibility, can: boolean][] = [
    ['forwards, nothing declared', of('1'), of('2'), false],
    ['forwards, from the very version', of('1'), of('2', '1'), true],
    ['forwards, from below it', of('1.5'), of('2', '1'), true],
    ['forwards, from above it', of('1'), of('2', '1.5'), false],
    ['to itself', of('2'), of('2'), true],
    ['backwards, nothing declared', of('2'), of('1'), false],
    ['backwards, allowed down to it', of('2', null, '1'), of('1'), true],
    ['backwards, allowed further', of('2', null, '0.9'), of('1'), true],
    ['backwards, allowed less far', of('2', null, '1.5'), of('1'), false],
    ['backwards, whatever the older one takes over', of('2'), of('1', '0.1'), false],
    ['forwards, whatever the older one may roll back to', of('1', null, '0.1'), of('2'), false],
    ['by value, not as text', of('9'), of('11', '9'), true],
  ]
  for (const [name, from, to, can] of cases) t.equal(canServe(from, to), can, name)
})

// -- path patterns --------------------------------------------------------------------------------------------------------

t.test('a path pattern is an exact path or a prefix that ends in /*', async (t) => {
  const set = new PathSet(['/robots.txt', '/public/*'])
  for (const path of ['/robots.txt', '/public/', '/public/a', '/public/a/b'])
    t.equal(set.has(path), true, path)
  for (const path of [
    '/',
    '/robots.txt/',
    '/Robots.txt',
    '/public',
    '/publicity',
    '/a/public/b',
    '/x/../robots.txt',
  ]) {
    t.equal(set.has(path), false, path)
  }
  t.equal(new PathSet(['/*']).has('/anything'), true)
  t.equal(new PathSet([]).has('/'), false)
})

// -- targets --------------------------------------------------------------------------------------------------------------

const health: HealthPolicy = {
  path: '/healthz',
  intervalMs: 2000,
  timeoutMs: 1000,
  healthyAfter: 2,
  unhealthyAfter: 3,
  deadAfterMs: 60_000,
}

function probed(start: TargetHealth, answers: string, at = 0): TargetHealth {
  return [...answers].reduce(
    (known, answer, i) =>
      observe(known, { at: at + i * 2000, ok: answer === '+', detail: answer, durationMs: 1 }, health),
    start,
  )
}

t.test('a target changes its standing after so many answers of one kind in a row', async (t) => {
  const cases: [start: 'assumed' | 'unproven', answers: string, state: TargetHealth['state']][] = [
    ['unproven', '', 'unproven'],
    ['unproven', '+', 'unproven'],
    ['unproven', '++', 'healthy'],
    ['unproven', '+-+', 'unproven'],
    ['unproven', '--', 'unproven'],
    ['unproven', '---', 'unhealthy'],
    ['assumed', '', 'assumed'],
    ['assumed', '--', 'assumed'],
    ['assumed', '---', 'unhealthy'],
    ['assumed', '++', 'healthy'],
    ['unproven', '++--', 'healthy'],
    ['unproven', '++--+--', 'healthy'],
    ['unproven', '++---', 'unhealthy'],
    ['unproven', '++---+', 'unhealthy'],
    ['unproven', '++---++', 'healthy'],
  ]
  for (const [start, answers, state] of cases) {
    const found = probed(newHealth(start), answers)
    t.equal(found.state, state, `${start}, ${answers}`)
    t.equal(isUsable(found), state === 'assumed' || state === 'healthy')
  }
})

t.test('a release is dead only when every target has failed for deadAfter', async (t) => {
  const failing = probed(newHealth('assumed'), '---', 1000)
  t.equal(failing.failingSince, 1000, 'since the first failure in a row')
  t.equal(isDead([failing], health, 1000 + 59_999), false, 'one millisecond before')
  t.equal(isDead([failing], health, 1000 + 60_000), true, 'at the end of deadAfter')
  t.equal(isDead([failing, probed(newHealth('assumed'), '')], health, 1e9), false, 'one that was never asked')
  t.equal(isDead([failing, probed(newHealth('assumed'), '--+')], health, 1e9), false, 'one that answered')
  t.equal(isDead([], health, 1e9), false, 'no target at all')
})

function target(tag: number, isHealthy = true): TargetRoute {
  return { url: `http://t${tag}:1` as TargetRoute['url'], isHealthy, tag }
}

/** A release as balancing sees it. */
function releaseOf(
  targets: TargetRoute[],
  policy: { affinity?: string; onTargetGone?: string } = {},
): ReleaseRoute {
  const healthy = targets.filter((each) => each.isHealthy)
  return {
    site: { session: { affinity: 'target', onTargetGone: 'other', ...policy } },
    targets,
    usableTargets: healthy.length > 0 ? healthy : targets,
    isHealthy: healthy.length > 0,
    targetByTag: (tag: number) => targets.find((each) => each.tag === tag) ?? null,
  } as unknown as ReleaseRoute
}

const tokenFor = (targetTag: number): Token => ({ targetTag }) as Token
const points =
  (...values: number[]) =>
  () =>
    values.shift() ?? 0
const idle = () => 0

t.test('of two targets taken at random the less busy one serves, the first of equals', async (t) => {
  const [a, b] = [target(1), target(2)]
  const release = releaseOf([a, b])
  const load = (busy: TargetRoute) => (each: TargetRoute) => (each === busy ? 5 : 1)
  t.equal(freeTarget(release, { loadOf: load(a), random: points(0, 0.99) }), b)
  t.equal(freeTarget(release, { loadOf: load(a), random: points(0.99, 0) }), b)
  t.equal(freeTarget(release, { loadOf: idle, random: points(0.99, 0) }), b)
  t.equal(freeTarget(release, { loadOf: idle, random: points(0, 0.99) }), a)
  t.equal(
    freeTarget(releaseOf([target(1, false), b]), { loadOf: idle, random: points(0, 0) }),
    b,
    'healthy ones only',
  )
  t.equal(freeTarget(releaseOf([]), { loadOf: idle, random: points(0, 0) }), null)
})

t.test(
  'a session stays on its target, leaves it as onTargetGone says, and tries a sick one for want of a better',
  async (t) => {
    const [one, two, sick] = [target(1), target(2), target(3, false)]
    const chosen = (targets: TargetRoute[], tag: number, policy = {}, point = 0.99): number | null =>
      sessionTarget(releaseOf(targets, policy), tokenFor(tag), { loadOf: idle, random: () => point })?.tag ??
      null
    t.equal(chosen([one, two], 1), 1, 'its own')
    t.equal(chosen([one, two], 1, { affinity: 'release' }), 2, 'any, where only the release counts')
    t.equal(chosen([one, two], 0), 2, 'any, where it has none yet')
    t.equal(chosen([one, sick], 3), 1, 'unhealthy: another')
    t.equal(
      chosen([one, sick], 3, { onTargetGone: 'refuse' }),
      3,
      'unhealthy, may not leave: tried all the same',
    )
    t.equal(chosen([sick, target(4, false)], 3, {}, 0.99), 3, 'all unhealthy: its own')
    const settled = chosen([one, two], 9, {}, 0)
    t.ok(settled === 1 || settled === 2, 'gone: another')
    t.equal(chosen([two, one], 9, {}, 0.99), settled, 'gone: the same other for every request')
    t.equal(chosen([one, two], 9, { onTargetGone: 'refuse' }), null, 'gone, may not leave: none')
  },
)

t.test(
  'onTargetGone: other: parallel requests of one session agree on one target, and stay when others come and go',
  async (t) => {
    const targets = [1, 2, 3, 4].map((tag) => target(tag))
    const served = new Map<number, number>()
    for (let session = 0; session < 400; session++) {
      const token = { ...tokenFor(9), id: session.toString(16).padStart(16, '0') } as Token
      const chosen = (among: TargetRoute[], point: number): number =>
        sessionTarget(releaseOf(among), token, { loadOf: (each) => each.tag * point, random: () => point })
          ?.tag ?? 0
      const [first = 0, ...others] = [0, 0.3, 0.6, 0.99].map((point) => chosen(targets, point))
      t.same(others, [first, first, first])
      served.set(first, (served.get(first) ?? 0) + 1)
      for (const gone of targets) {
        const rest = targets.filter((each) => each !== gone && each.tag !== first)
        const own = targets.filter((each) => each.tag === first)
        if (gone.tag !== first) t.equal(chosen([...rest, ...own], 0.5), first, 'in whatever order they stand')
      }
      const withNewcomer = chosen([target(5), ...targets], 0.5)
      t.ok(withNewcomer === first || withNewcomer === 5, 'only to a newcomer, and only before it has a token')
    }
    t.ok([...served.values()].every((count) => count > 50) && served.size === 4, 'each gets its share')
  },
)

t.test('another attempt goes to another usable target of the release, or there is none', async (t) => {
  const [one, two, sick] = [target(1), target(2), target(3, false)]
  const another = (targets: TargetRoute[], failed: TargetRoute) =>
    anotherTarget(releaseOf(targets), failed, { loadOf: idle, random: () => 0 })
  t.equal(another([one, two], one), two)
  t.equal(another([one, sick], one), null, 'a sick one is no way out')
  t.equal(another([one], one), null)
})

// -- attempts and errors --------------------------------------------------------------------------------------------------

t.test('an attempt is repeated only where nothing can happen twice, three times at most', async (t) => {
  const failed: FailedAttempt = {
    advice: 'never',
    isIdempotent: true,
    hasBody: false,
    mayLeaveTarget: true,
    attempts: 1,
  }
  const cases: [name: string, changes: Partial<FailedAttempt>, next: ReturnType<typeof nextAttempt>][] = [
    ['nothing advises it', {}, 'none'],
    ['nothing was written', { advice: 'other-target' }, 'other-target'],
    ['nothing was written, unsafe method', { advice: 'other-target', isIdempotent: false }, 'other-target'],
    ['nothing was written, bound to its target', { advice: 'other-target', mayLeaveTarget: false }, 'none'],
    ['nothing was written, but a body flows', { advice: 'other-target', hasBody: true }, 'none'],
    ['stale connection, idempotent', { advice: 'if-reused' }, 'same-target'],
    ['stale connection, bound to its target', { advice: 'if-reused', mayLeaveTarget: false }, 'same-target'],
    ['stale connection, not idempotent', { advice: 'if-reused', isIdempotent: false }, 'none'],
    ['stale connection, with a body', { advice: 'if-reused', hasBody: true }, 'none'],
    ['second attempt', { advice: 'if-reused', attempts: 2 }, 'same-target'],
    ['third attempt', { advice: 'if-reused', attempts: 3 }, 'none'],
    ['third attempt, nothing written', { advice: 'other-target', attempts: 3 }, 'none'],
  ]
  for (const [name, changes, next] of cases) t.equal(nextAttempt({ ...failed, ...changes }), next, name)
})

t.test('every error says whose fault it is by its status, in words without an address', async (t) => {
  const sides = { downstream: /^(4\d\d|501)$/, upstream: /^50[24]$/, gateway: /^(403|410|50[03])$/ }
  for (const [code, kind] of Object.entries(errorKinds)) {
    t.match(String(kind.status), sides[kind.side], code)
    t.match(kind.message, /^[a-z].*[^.]$/, code)
    t.match(code, /^[a-z]+(_[a-z0-9]+)*$/, 'a code is a metric label as it is')
  }
  const error = new GatewayError('connect_refused', 'other-target', '10.0.0.1:3000')
  t.match(error, { code: 'connect_refused', side: 'upstream', status: 502, retry: 'other-target' })
  t.match(error.message, '10.0.0.1:3000', 'the log learns the address')
  t.equal(new GatewayError('internal').message, errorKinds.internal.message)
  t.equal(new GatewayError('internal' satisfies ErrorCode).retry, 'never')
})
