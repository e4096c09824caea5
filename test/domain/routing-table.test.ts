// The routing table: which site answers for a host, which release serves, accepts births, and by which split.
import fc from 'fast-check'
import t from 'tap'
import { composeSites } from '../../gateway/controlplane/table-composer.js'
import { SiteRegister } from '../../gateway/controlplane/site-register.js'
import { fnv1a32 } from '../../gateway/domain/fnv.js'
import type { ReleaseIndex, ReleaseVersion, SiteName, TargetUrl } from '../../gateway/domain/ids.js'
import type { Registration } from '../../gateway/domain/registration.js'
import type { ReleaseState } from '../../gateway/domain/release.js'
import {
  buildRoutingTable,
  type ReleaseSpec,
  type RoutingTable,
  type SiteSpec,
} from '../../gateway/domain/routing-table.js'
import { targetTag } from '../../gateway/domain/target-tag.js'
import type { SitePolicy } from '../../gateway/domain/site-policy.js'
import { newHealth } from '../../gateway/domain/target-health.js'
import { sessionPolicy, siteSpec } from '../fixtures/site-spec.js'

let nextIndex = 0

function releaseSpec(version: string, share: number, health: readonly boolean[] = [true]): ReleaseSpec {
  return {
    index: nextIndex++ as ReleaseIndex,
    version: version as ReleaseVersion,
    share,
    isLive: true,
    targets: health.map((isHealthy, i) => ({ url: `http://${version}-${i}:1` as TargetUrl, isHealthy })),
  }
}

function siteNamed(name: string, hosts: string[], releases: ReleaseSpec[] = []): SiteSpec {
  return siteSpec({ site: name as SiteName, hosts, releases })
}

function tableOf(...sites: SiteSpec[]): RoutingTable {
  return buildRoutingTable({
    generation: 7,
    issuer: '00'.repeat(8),
    spans: [],
    futureToleranceMs: 300_000,
    sites,
  })
}

function siteOf(...releases: ReleaseSpec[]) {
  const site = tableOf(siteNamed('shop', ['*'], releases)).siteOf('x')
  if (site === null) throw new Error('no site')
  return site
}

t.test(
  'an exact host goes before a wildcard, the longer wildcard before the shorter, any host last',
  async (t) => {
    const table = tableOf(
      siteNamed('any', ['*']),
      siteNamed('wide', ['*.example.com']),
      siteNamed('deep', ['*.shop.example.com']),
      siteNamed('exact', ['www.example.com', 'example.com']),
    )
    const cases: Readonly<Record<string, string>> = {
      'www.example.com': 'exact',
      'example.com': 'exact',
      'a.example.com': 'wide',
      'a.b.example.com': 'wide',
      'shop.example.com': 'wide',
      'a.shop.example.com': 'deep',
      'badexample.com': 'any',
      'example.com.evil': 'any',
      '10.0.0.1': 'any',
    }
    for (const [host, name] of Object.entries(cases)) t.equal(table.siteOf(host)?.name, name, host)
    t.equal(table.siteNamed('deep' as SiteName)?.name, 'deep')
    t.equal(table.siteNamed('none' as SiteName), null)
  },
)

t.test(
  'without a site for any host an unknown one is unknown, and *.example.com is not example.com',
  async (t) => {
    const table = tableOf(siteNamed('wide', ['*.example.com']))
    t.equal(table.siteOf('other.org'), null)
    t.equal(table.siteOf('example.com'), null)
    t.equal(tableOf().siteOf('x'), null)
  },
)

t.test('of two sites with one host the first has it, of every kind of host', async (t) => {
  for (const host of ['a.example.com', '*.example.com', '*']) {
    t.equal(
      tableOf(siteNamed('one', [host]), siteNamed('two', [host])).siteOf('a.example.com')?.name,
      'one',
      host,
    )
  }
})

t.test('a release that takes no births serves, and is found by its version only', async (t) => {
  const site = siteOf(releaseSpec('2', 1), releaseSpec('1', 0))
  t.equal(site.release('1' as ReleaseVersion)?.version, '1')
  t.equal(site.release('3' as ReleaseVersion), null)
  for (const hash of [0, 1, 2 ** 31, 2 ** 32 - 1]) t.equal(site.accepting(hash)?.version, '2')
  t.equal(site.isSplit, false)
  t.equal(siteOf(releaseSpec('1', 0)).accepting(0), null, 'none accepts')
})

t.test('the split is laid end to end: each release gets exactly its part of the hashes', async (t) => {
  const site = siteOf(releaseSpec('a', 0.05), releaseSpec('b', 0.95))
  t.equal(site.isSplit, true)
  t.equal(site.accepting(0)?.version, 'a')
  t.equal(site.accepting(Math.floor(0.05 * 2 ** 32))?.version, 'a')
  t.equal(site.accepting(Math.ceil(0.05 * 2 ** 32))?.version, 'b')
  t.equal(site.accepting(2 ** 32 - 1)?.version, 'b')
})

t.test('over many visitors births follow the split within statistics', async (t) => {
  const site = siteOf(releaseSpec('a', 0.25), releaseSpec('b', 0.75))
  const births = 20_000
  let ofA = 0
  for (let i = 0; i < births; i++) {
    const hash = fnv1a32(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}\nbrowser\nshop\nr`)
    if (site.accepting(hash)?.version === 'a') ofA++
  }
  // Five standard deviations of a binomial of 20,000 at 0.25 are 306.
  t.ok(Math.abs(ofA - births / 4) < 306, `${ofA} of ${births}`)
})

t.test('shares need not add up to one: they are taken of their sum', async (t) => {
  const site = siteOf(releaseSpec('a', 1), releaseSpec('b', 1))
  t.equal(site.accepting(2 ** 31 - 1)?.version, 'a')
  t.equal(site.accepting(2 ** 31)?.version, 'b')
})

t.test('in a split births go to healthy releases, and to all of them where none is', async (t) => {
  const half = siteOf(releaseSpec('a', 0.5, [false]), releaseSpec('b', 0.5))
  for (const hash of [0, 2 ** 32 - 1]) t.equal(half.accepting(hash)?.version, 'b')
  const none = siteOf(releaseSpec('a', 0.5, [false]), releaseSpec('b', 0.5, [false]))
  t.same([none.accepting(0)?.version, none.accepting(2 ** 32 - 1)?.version], ['a', 'b'])
  t.equal(
    siteOf(releaseSpec('a', 1, [false])).accepting(0)?.version,
    'a',
    'a single one is tried all the same',
  )
})

t.test('whatever the shares and hash, an accepting release is found where there is one', async (t) => {
  const shares = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 5 })
  fc.assert(
    fc.property(shares, fc.nat({ max: 2 ** 31 - 1 }), fc.boolean(), (of, low, high) => {
      const site = siteOf(...of.map((share, i) => releaseSpec(`v${i}`, share)))
      const found = site.accepting(high ? low + 2 ** 31 : low)
      return of.some((share) => share > 0) ? found !== null && found.share > 0 : found === null
    }),
  )
  t.pass()
})

t.test('a target is known by a tag that differs by site and release and is never 0', async (t) => {
  const site = siteOf(releaseSpec('1', 1, [true, false, true]))
  const release = site.release('1' as ReleaseVersion)
  t.equal(release?.targets.length, 3)
  for (const target of release?.targets ?? []) t.equal(release?.targetByTag(target.tag), target)
  t.equal(release?.targetByTag(0), null)
  t.equal(release?.usableTargets.length, 2)
  t.equal(release?.isHealthy, true)
  const url = 'http://a:1' as TargetUrl
  const tags = new Set([
    targetTag('shop' as SiteName, '1' as ReleaseVersion, url),
    targetTag('shop' as SiteName, '2' as ReleaseVersion, url),
    targetTag('blog' as SiteName, '1' as ReleaseVersion, url),
  ])
  t.equal(tags.size, 3)
})

t.test('where no target is healthy all are usable', async (t) => {
  const release = siteOf(releaseSpec('1', 1, [false, false])).release('1' as ReleaseVersion)
  t.equal(release?.usableTargets.length, 2)
  t.equal(release?.isHealthy, false)
})

// -- what the control plane publishes ---------------------------------------------------------------------------------------

function addRelease(
  register: SiteRegister,
  siteName: string,
  version: string,
  state: ReleaseState['name'],
): void {
  const site = register.site(siteName as SiteName)
  if (site === null) throw new Error('no site')
  const registration = {
    site: siteName,
    version,
    targets: [`http://${version}:1`],
    hash: version,
  } as unknown as Registration
  const release = register.addRelease(site, registration, () => false)
  site.releases.set(release.registration.version, {
    ...release,
    state: { name: state, since: 0 } as ReleaseState,
  })
}

function policyOf(name: string, hosts: string[]): SitePolicy {
  return {
    site: name as SiteName,
    hosts,
    order: 'version',
    session: sessionPolicy(),
    stateless: ['/x'],
    hsts: { maxAgeMs: 1000, includeSubDomains: true, preload: false },
    errorPages: [{ of: '503', html: 'page' }],
    assets: { paths: ['/y'], fallback: 'previous' },
    pagePin: { header: 'x-page', query: null, sharedSessions: true },
    retain: { previous: 4, warm: 0, maxDrainMs: Infinity, onOverflow: 'keep' },
  } as unknown as SitePolicy
}

/** Nobody is dead, nobody moves. */
const quiet = {
  isServedEverywhere: () => true,
  isDead: () => false,
  isOverflowing: () => false,
  isClosing: () => false,
  isMissedSomewhere: () => false,
  bears: () => false,
  endsAt: () => null,
  workers: 1,
  now: 0,
}

t.test('a table has every release that serves, newest first; only the active one gets births', async (t) => {
  const register = new SiteRegister()
  register.addSite(policyOf('shop', ['*']), 'site.yaml')
  const states: [string, ReleaseState['name']][] = [
    ['1', 'retired'],
    ['2', 'retirable'],
    ['9', 'draining'],
    ['10', 'active'],
    ['11', 'staged'],
    ['12', 'checking'],
    ['13', 'registered'],
    ['14', 'rejected'],
  ]
  for (const [version, state] of states) addRelease(register, 'shop', version, state)
  const leaving = register.site('shop' as SiteName)?.releases.get('2' as ReleaseVersion)?.index
  const [shop] = composeSites(register.sites, {
    ...quiet,
    healthOf: (_, url) => (url.includes('10') ? newHealth('assumed') : newHealth('unproven')),
    isLeaving: (index) => index === leaving,
  })
  t.same(
    shop?.releases.map(({ version, share, isLive, targets }) => [
      version,
      share,
      isLive,
      targets[0]?.isHealthy,
    ]),
    [
      ['13', 0, false, false],
      ['12', 0, false, false],
      ['11', 0, false, false],
      ['10', 1, true, true],
      ['9', 0, true, false],
    ],
  )
  t.match(shop, { site: 'shop', hosts: ['*'], stateless: ['/x'], assets: ['/y'], rolloutId: '10' })
  t.match(shop, { pagePin: { header: 'x-page', query: null }, adoption: null })
  t.equal(shop?.transportSecurity, 'Strict-Transport-Security: max-age=1; includeSubDomains')
  t.same(shop?.errorPages, [{ of: '503', html: 'page' }])
})

t.test('a removed site that still drains gives its host to its successor', async (t) => {
  const register = new SiteRegister()
  const former = register.addSite(policyOf('old', ['shop.example.com']), 'old/site.yaml')
  addRelease(register, 'old', '1', 'draining')
  register.addSite(policyOf('new', ['shop.example.com']), 'new/site.yaml')
  former.file = null
  const sites = composeSites(register.sites, { ...quiet, healthOf: () => null, isLeaving: () => false })
  const table = tableOf(...sites)
  t.equal(table.siteOf('shop.example.com')?.name, 'new')
  t.equal(
    table.siteNamed('old' as SiteName)?.release('1' as ReleaseVersion)?.version,
    '1',
    'and goes on being there',
  )
})

t.test('the rollout id changes with the active release, so that an old hash decides nothing', async (t) => {
  const register = new SiteRegister()
  const site = register.addSite(policyOf('shop', ['*']), 'site.yaml')
  const rolloutId = () =>
    composeSites(register.sites, { ...quiet, healthOf: () => null, isLeaving: () => false })[0]?.rolloutId
  t.equal(rolloutId(), '')
  addRelease(register, 'shop', '1', 'active')
  t.equal(rolloutId(), '1')
  site.releases.clear()
  addRelease(register, 'shop', '2', 'active')
  t.equal(rolloutId(), '2')
})
