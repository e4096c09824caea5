// The affinity token: what is written is read, whatever else arrives is none, and the usual request costs no crypto.
// Beside it the cookie that carries it and the sessions that ended a moment ago.
import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import {
  signToken,
  TokenReader,
  type KeyRing,
  type SigningKey,
  type TokenContext,
} from '../../gateway/dataplane/affinity-token.js'
import { clearCookieLines, readCookies, setCookieLine } from '../../gateway/dataplane/token-cookie.js'
import { Tombstones } from '../../gateway/dataplane/tombstones.js'
import type { ReleaseVersion, SessionId, SiteName } from '../../gateway/domain/ids.js'
import { endOfTime, type Token } from '../../gateway/domain/session.js'
import type { SessionPolicy } from '../../gateway/domain/site-policy.js'
import { sessionPolicy } from '../fixtures/site-spec.js'

const now = 1_800_000_000_000
const key: SigningKey = { id: 7, secret: Buffer.alloc(32, 7) }
const other: SigningKey = { id: 8, secret: Buffer.alloc(32, 8) }
const ring: KeyRing = { keys: [key, other], signsWith: 7 }
const context: TokenContext = { site: 'shop' as SiteName, now, futureToleranceMs: 300_000 }

function tokenOf(changes: Partial<Token> = {}): Omit<Token, 'keyId'> {
  return {
    site: 'shop' as SiteName,
    release: '2.4.0' as ReleaseVersion,
    targetTag: 0xdeadbeef,
    id: '0123456789abcdef' as SessionId,
    bornAt: now - 1000,
    issuedAt: now - 500,
    until: now + 1000,
    held: false,
    issuer: 'fedcba9876543210',
    ...changes,
  }
}

const read = (text: string, from: KeyRing = ring, where = context) =>
  new TokenReader(from, 4).read(text, where)

const hex16 = fc.stringMatching(/^[0-9a-f]{16}$/)
const instant = fc.integer({ min: 0, max: endOfTime })
const anyToken = fc.record({
  site: fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,62}$/).map((name) => name as SiteName),
  release: fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$/).map((name) => name as ReleaseVersion),
  targetTag: fc.nat(2 ** 32 - 1),
  id: hex16.map((id) => id as SessionId),
  bornAt: instant,
  issuedAt: instant,
  until: instant,
  held: fc.boolean(),
  issuer: hex16,
})

t.test('what is signed is read back, field by field, whichever key signed it', async (t) => {
  fc.assert(
    fc.property(anyToken, fc.constantFrom(key, other), (token, signing) => {
      const text = signToken(token, { ...ring, signsWith: signing.id })
      const found = read(text, ring, { site: token.site, now: token.bornAt, futureToleranceMs: 0 })
      return (
        typeof found !== 'string' &&
        JSON.stringify(sorted(found.token)) === JSON.stringify(sorted({ ...token, keyId: signing.id }))
      )
    }),
  )
  const longest = { site: 'x'.repeat(63) as SiteName, release: 'y'.repeat(64) as ReleaseVersion }
  const text = signToken(tokenOf(longest), ring)
  t.match(read(text, ring, { ...context, site: longest.site }), { token: longest }, 'the longest names')
  t.match(text, /^[A-Za-z0-9_-]+$/, 'as a cookie carries it')
})

function sorted(token: object): object {
  return Object.fromEntries(Object.entries(token).sort(([a], [b]) => (a < b ? -1 : 1)))
}

t.test('a ring that lacks its signing key is a fault of the gateway', async (t) => {
  t.throws(() => signToken(tokenOf(), { keys: [key], signsWith: 9 }), /lacks its signing key/)
})

t.test('a token with any bit changed is none', async (t) => {
  const bytes = Buffer.from(signToken(tokenOf(), ring), 'base64url')
  const reasons = new Map<string, number>()
  for (let at = 0; at < bytes.length; at++) {
    for (let bit = 0; bit < 8; bit++) {
      const forged = Buffer.from(bytes)
      forged[at] = (forged[at] ?? 0) ^ (1 << bit)
      const found = read(forged.toString('base64url'))
      const reason = typeof found === 'string' ? found : 'accepted'
      reasons.set(reason, (reasons.get(reason) ?? 0) + 1)
    }
  }
  t.same([...reasons.keys()].sort(), ['key', 'malformed', 'signature'])
  t.equal(reasons.get('key'), 32, 'each bit of the key id')
})

t.test('a token cut anywhere, or with anything added, is malformed', async (t) => {
  // One, two and no bytes over a multiple of three: every way in which base64 can end.
  for (const version of ['1', '12', '123']) {
    const text = signToken(tokenOf({ release: version as ReleaseVersion }), ring)
    for (let length = 0; length < text.length; length++)
      t.equal(read(text.slice(0, length)), 'malformed', `${length}`)
    for (const tail of ['A', 'AA', '=', '==', '.', ' '])
      t.equal(read(text + tail), 'malformed', `with "${tail}"`)
  }
})

t.test('a token has one text only: bits that no byte takes up must not be set', async (t) => {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  for (const version of ['1', '12', '123']) {
    const text = signToken(tokenOf({ release: version as ReleaseVersion }), ring)
    const accepted = alphabet.split('').filter((last) => typeof read(text.slice(0, -1) + last) !== 'string')
    t.same(accepted, [text.at(-1)])
  }
})

t.test('hostile texts are none, each with its reason', async (t) => {
  const text = signToken(tokenOf(), ring)
  const stranger: KeyRing = { keys: [{ id: 7, secret: randomBytes(32) }], signsWith: 7 }
  const cases: [name: string, text: string, reason: string][] = [
    ['empty', '', 'malformed'],
    ['8 KiB of a token', text.padEnd(8192, 'A'), 'malformed'],
    ['8 KiB of noise', randomBytes(6144).toString('base64url'), 'malformed'],
    ['binary', '\0\x01\xff\xfe'.repeat(20), 'malformed'],
    ['not of its alphabet', text.replace(/./, '+'), 'malformed'],
    [
      'another format version',
      Buffer.concat([Buffer.from([2]), Buffer.from(text, 'base64url').subarray(1)]).toString('base64url'),
      'malformed',
    ],
    [
      'noise of the right length',
      `AQA${randomBytes(60)
        .toString('base64url')
        .slice(0, text.length - 3)}`,
      'malformed',
    ],
    ['forged with another secret', signToken(tokenOf(), stranger), 'signature'],
    [
      'signed by a dropped key',
      signToken(tokenOf(), { keys: [{ id: 9, secret: key.secret }], signsWith: 9 }),
      'key',
    ],
    ['of another site', signToken(tokenOf({ site: 'blog' as SiteName }), ring), 'site'],
    ['born too far ahead', signToken(tokenOf({ bornAt: now + 300_001 }), ring), 'future'],
  ]
  for (const [name, hostile, reason] of cases) t.equal(read(hostile), reason, name)
  t.match(
    read(signToken(tokenOf({ bornAt: now + 300_000 }), ring)),
    { token: { bornAt: now + 300_000 } },
    'five minutes ahead is a clock',
  )
  t.match(
    read(signToken(tokenOf({ until: 1 }), ring)),
    { token: { until: 1 } },
    'an expired one is still a token',
  )
})

t.test('no text whatever makes the reader throw or accept', async (t) => {
  const reader = new TokenReader(ring)
  fc.assert(
    fc.property(
      fc.oneof(fc.string({ maxLength: 400, unit: 'binary' }), fc.base64String({ maxLength: 300 })),
      (text) => {
        return typeof reader.read(text, context) === 'string'
      },
    ),
    { numRuns: 2000 },
  )
  t.pass()
})

/** A ring that counts how often anybody looks at its keys: nothing can be verified without. */
function countingRing(): { ring: KeyRing; looks: () => number } {
  let looks = 0
  const keys = new Proxy([...ring.keys], {
    get(target, property, receiver) {
      if (property === 'find') looks++
      return Reflect.get(target, property, receiver) as unknown
    },
  })
  return { ring: { ...ring, keys }, looks: () => looks }
}

t.test(
  'a token read twice before costs no crypto, while its site and its birth are checked each time',
  async (t) => {
    const { ring: counting, looks } = countingRing()
    const reader = new TokenReader(counting)
    const text = signToken(tokenOf(), ring)
    reader.read(text, context)
    const second = reader.read(text, context)
    t.equal(looks(), 2)
    t.equal(reader.read(text, context), second, 'the same object, with what the worker remembers')
    t.equal(reader.read(text, { ...context, site: 'blog' as SiteName }), 'site')
    t.equal(reader.read(text, { ...context, now: now - 302_000 }), 'future')
    t.equal(looks(), 2)
    reader.read('x', context)
    t.equal(looks(), 2, 'what cannot be a token costs none either')
  },
)

t.test('another key ring empties the memory, the same one does not', async (t) => {
  const reader = new TokenReader(ring)
  const text = signToken(tokenOf(), ring)
  reader.read(text, context)
  const known = reader.read(text, context)
  reader.useRing({
    keys: ring.keys.map((each) => ({ ...each, secret: Buffer.from(each.secret) })),
    signsWith: 7,
  })
  t.equal(reader.read(text, context), known, 'equal keys: remembered')
  reader.useRing({ keys: [other, key], signsWith: 8 })
  t.equal(reader.ring.signsWith, 8)
  t.not(reader.read(text, context), known, 'read anew')
  reader.useRing({ keys: [other], signsWith: 8 })
  t.equal(reader.read(text, context), 'key', 'what it remembered of a dropped key is gone')
  reader.useRing({ keys: [{ id: 7, secret: Buffer.alloc(32, 1) }, other], signsWith: 8 })
  t.equal(reader.read(text, context), 'signature', 'another secret under the same id')
})

t.test('the memory is bounded, and what it forgets is read again', async (t) => {
  const { ring: counting, looks } = countingRing()
  const reader = new TokenReader(counting, 2)
  const texts = [1, 2, 3].map((tag) => signToken(tokenOf({ targetTag: tag }), ring))
  for (const text of [...texts, ...texts]) reader.read(text, context)
  t.equal(looks(), 6)
  reader.read(texts[2] ?? '', context)
  t.equal(looks(), 6)
  t.match(reader.read(texts[0] ?? '', context), { token: { targetTag: 1 } })
  t.equal(looks(), 7, 'the oldest had gone')
})

t.test('tokens that come once drive out none that come again', async (t) => {
  const { ring: counting, looks } = countingRing()
  const reader = new TokenReader(counting, 2)
  const text = signToken(tokenOf(), ring)
  for (let time = 0; time < 2; time++) reader.read(text, context)
  for (let tag = 0; tag < 5; tag++) reader.read(signToken(tokenOf({ targetTag: tag }), ring), context)
  t.equal(looks(), 7)
  reader.read(text, context)
  t.equal(looks(), 7)
})

t.test('refused texts are not remembered: a flood of them drives no token out', async (t) => {
  const { ring: counting, looks } = countingRing()
  const reader = new TokenReader(counting, 2)
  const text = signToken(tokenOf(), ring)
  for (let time = 0; time < 2; time++) reader.read(text, context)
  const stranger: KeyRing = { keys: [{ id: 7, secret: randomBytes(32) }], signsWith: 7 }
  for (let tag = 0; tag < 5; tag++) reader.read(signToken(tokenOf({ targetTag: tag }), stranger), context)
  const before = looks()
  t.match(reader.read(text, context), { token: {} })
  t.equal(looks(), before)
})

// -- cookies ----------------------------------------------------------------------------------------------------------------

t.test('our cookies are found, prefixed names first, and everything else stays byte for byte', async (t) => {
  const cases: [header: string, tokens: string[], rest: string][] = [
    ['', [], ''],
    ['sid=1; theme=dark', [], 'sid=1; theme=dark'],
    ['amarre=abc', ['abc'], ''],
    ['amarre=abc;', ['abc'], ''],
    ['sid=1; amarre=abc', ['abc'], 'sid=1'],
    ['amarre=abc; sid=1', ['abc'], 'sid=1'],
    ['a=1;amarre=abc;  b="x y" ;c', ['abc'], 'a=1;  b="x y" ;c'],
    ['amarre=plain; __Secure-amarre=s; sid=1', ['s', 'plain'], 'sid=1'],
    ['amarre=plain; __Host-amarre=h; __Secure-amarre=s', ['h', 's', 'plain'], ''],
    ['amarre=one; amarre=two', ['one', 'two'], ''],
    ['amarre="quoted"', ['quoted'], ''],
    ['amarre= spaced ', ['spaced'], ''],
    ['amarre=', [], ''],
    ['amarre=""', [], ''],
    ['amarre=; amarre=two', ['two'], ''],
    ['xamarre=1; amarre2=2; AMARRE=3', [], 'xamarre=1; amarre2=2; AMARRE=3'],
    ['note=amarre; sid=1', [], 'note=amarre; sid=1'],
    ['amarre', [], 'amarre'],
    ['b=\xe9\xff; amarre=t; c=a=b=c', ['t'], 'b=\xe9\xff; c=a=b=c'],
  ]
  for (const [header, tokens, rest] of cases)
    t.same(readCookies(header, 'amarre'), { tokens, rest, preview: null }, header)
})

t.test('whatever other cookies say, ours alone are taken out', async (t) => {
  const pair = fc
    .tuple(fc.stringMatching(/^[a-z]{1,6}$/), fc.stringMatching(/^[!-:<-~ ]{0,6}$/))
    .map(([name, value]) => `${name}=${value}`)
  fc.assert(
    fc.property(fc.array(pair, { maxLength: 5 }), fc.nat(5), (pairs, at) => {
      const others = pairs.filter((each) => !each.startsWith('amarre='))
      const jar = [...others]
      jar.splice(at, 0, 'amarre=T')
      const found = readCookies(jar.join('; '), 'amarre')
      return found.tokens.join() === 'T' && found.rest === others.join('; ')
    }),
  )
  t.pass()
})

const policy = sessionPolicy()

t.test('a cookie has the attributes that its scheme allows', async (t) => {
  const life = 'Max-Age=34560000; Path=/'
  const cases: [changes: Partial<SessionPolicy>, isSecure: boolean, line: string][] = [
    [{}, true, `__Host-amarre=T; ${life}; HttpOnly; Secure; SameSite=None`],
    [{}, false, `amarre=T; ${life}; HttpOnly; SameSite=Lax`],
    [{ cookie: 'pin' }, true, `__Host-pin=T; ${life}; HttpOnly; Secure; SameSite=None`],
    [
      { domain: 'example.com' },
      true,
      `__Secure-amarre=T; ${life}; Domain=example.com; HttpOnly; Secure; SameSite=None`,
    ],
    [{ domain: 'example.com' }, false, `amarre=T; ${life}; Domain=example.com; HttpOnly; SameSite=Lax`],
    [{ sameSite: 'lax' }, true, `__Host-amarre=T; ${life}; HttpOnly; Secure; SameSite=Lax`],
    [{ sameSite: 'strict' }, true, `__Host-amarre=T; ${life}; HttpOnly; Secure; SameSite=Strict`],
    [{ sameSite: 'strict' }, false, `amarre=T; ${life}; HttpOnly; SameSite=Strict`],
    [{ sameSite: 'none' }, true, `__Host-amarre=T; ${life}; HttpOnly; Secure; SameSite=None`],
    [{ sameSite: 'none' }, false, `amarre=T; ${life}; HttpOnly; SameSite=Lax`],
    [{ partitioned: true }, true, `__Host-amarre=T; ${life}; HttpOnly; Secure; SameSite=None; Partitioned`],
    [{ partitioned: true }, false, `amarre=T; ${life}; HttpOnly; SameSite=Lax`],
  ]
  for (const [changes, isSecure, line] of cases) {
    t.equal(setCookieLine({ ...policy, ...changes }, isSecure, 'T'), `Set-Cookie: ${line}`)
  }
})

t.test(
  'a cookie is cleared under each name that the client may have it by, with the attributes it was set with',
  async (t) => {
    const plain = 'Set-Cookie: amarre=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax'
    t.equal(clearCookieLines(policy, false), plain)
    t.equal(
      clearCookieLines(policy, true),
      `Set-Cookie: __Host-amarre=; Max-Age=0; Path=/; HttpOnly; Secure; SameSite=None\r\n${plain}`,
    )
    t.match(
      clearCookieLines({ ...policy, domain: 'example.com' }, true),
      /__Secure-amarre=; Max-Age=0; Path=\/; Domain=example.com/,
    )
  },
)

// -- tombstones -------------------------------------------------------------------------------------------------------------

t.test('a session that ended stays ended until its tombstone goes', async (t) => {
  const tombstones = new Tombstones()
  const [one, two] = ['1'.repeat(16) as SessionId, '2'.repeat(16) as SessionId]
  t.equal(tombstones.has(one, now), false)
  tombstones.add(one, now + 10)
  t.equal(tombstones.has(one, now + 9), true)
  t.equal(tombstones.has(one, now + 10), false)
  t.equal(tombstones.has(two, now), false)
  tombstones.sweep(now + 9)
  t.equal(tombstones.has(one, now), true, 'swept too early: still there')
  tombstones.sweep(now + 10)
  t.equal(tombstones.has(one, now), false, 'gone for good')
})
