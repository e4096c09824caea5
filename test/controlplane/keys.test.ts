// Keys over time: rotation in two steps, how long an old one verifies, and files that cannot be read or written.
import t from 'tap'
import {
  KeyRingError,
  parseKeyRing,
  signingKeyId,
  withNewestSigning,
  withNewKey,
  withoutExpired,
  type SavedKeyRing,
} from '../../gateway/controlplane/key-ring.js'
import type { EventLog } from '../../gateway/controlplane/event-log.js'
import { KeyKeeper } from '../../gateway/controlplane/key-keeper.js'
import { nullLog } from '../../gateway/domain/ports.js'
import { until } from '../fixtures/until.js'
import { hour, Machine, minute } from './harness.js'

const now = 1_800_000_000_000

const secret = Buffer.alloc(32, 1)
const ringOf = (...keys: SavedKeyRing['keys']): SavedKeyRing => ({ version: 1, keys })
const keyOf = (id: number, retired: SavedKeyRing['keys'][number]['retired'] = null) => ({
  id,
  secret: secret.toString('base64'),
  createdAt: now,
  retired,
})

t.test(
  'a rotation has two steps: the new key verifies, then it signs and the former only verifies',
  async (t) => {
    const before = ringOf(keyOf(1))
    const known = withNewKey(before, Buffer.alloc(32, 2), now)
    t.match(known.keys, [
      { id: 1, retired: null },
      { id: 2, createdAt: now, retired: null },
    ])
    t.equal(signingKeyId(known), 1, 'nobody signs with what a worker may not know yet')
    const signing = withNewestSigning(known, 5000, now + 1)
    t.equal(signingKeyId(signing), 2)
    t.match(signing.keys, [
      { id: 1, retired: { verifiesUntil: now + 5001 } },
      { id: 2, retired: null },
    ])
    const again = withNewestSigning(withNewKey(signing, Buffer.alloc(32, 3), now + 9), 5000, now + 9)
    t.match(
      again.keys.map((key) => key.retired?.verifiesUntil),
      [now + 5001, now + 5009, undefined],
      'a retired key keeps its end',
    )
    t.match(withNewestSigning(known, Infinity, now).keys, [{ retired: { verifiesUntil: null } }, {}])
  },
)

t.test(
  'a key goes when the last token that it signed can have expired, and never while tokens have no end',
  async (t) => {
    const ring = ringOf(keyOf(1, { verifiesUntil: now }), keyOf(2, { verifiesUntil: null }), keyOf(3))
    t.equal(withoutExpired(ring, now - 1), ring, 'the same object: nothing changed')
    t.same(
      withoutExpired(ring, now).keys.map((key) => key.id),
      [2, 3],
    )
  },
)

function thrownBy(call: () => unknown): unknown {
  try {
    return call()
  } catch (error) {
    return error
  }
}

t.test('a key ring that cannot be right is refused, naming what is wrong', async (t) => {
  const text = (keys: unknown, version: unknown = 1) => JSON.stringify({ version, keys })
  const cases: [text: string, wrong: RegExp][] = [
    ['{', /not valid JSON/],
    ['null', /a key ring is/],
    ['{}', /a key ring is/],
    [text('x'), /a key ring is/],
    [text([keyOf(1)], 2), /version 1/],
    [text([]), /no key of the ring may sign/],
    [text([keyOf(1, { verifiesUntil: 5 })]), /no key of the ring may sign/],
    [text([keyOf(1), keyOf(1)]), /two keys have one id/],
    [text([null]), /keys\[0\]\.id/],
    [text([keyOf(0)]), /keys\[0\]\.id/],
    [text([keyOf(1), keyOf(2 ** 32)]), /keys\[1\]\.id/],
    [text([keyOf(1.5)]), /keys\[0\]\.id/],
    [text([{ ...keyOf(1), secret: 'c2hvcnQ=' }]), /keys\[0\]\.secret/],
    [text([{ ...keyOf(1), secret: 5 }]), /keys\[0\]\.secret/],
    [text([keyOf(1), { ...keyOf(2), retired: 'soon' }]), /keys\[1\]\.retired/],
    [text([keyOf(1), { ...keyOf(2), retired: {} }]), /keys\[1\]\.retired/],
    [text([keyOf(1), { ...keyOf(2), retired: { verifiesUntil: '2030' } }]), /keys\[1\]\.retired/],
  ]
  for (const [bad, wrong] of cases) {
    t.throws(() => parseKeyRing(bad), wrong, bad)
    t.ok(thrownBy(() => parseKeyRing(bad)) instanceof KeyRingError)
  }
  const ring = ringOf(keyOf(1, { verifiesUntil: 5 }), keyOf(2, { verifiesUntil: null }), keyOf(3))
  t.same(parseKeyRing(JSON.stringify(ring)), ring)
  t.match(parseKeyRing(text([{ id: 1, secret: secret.toString('base64') }])).keys, [
    { createdAt: 0, retired: null },
  ])
})

t.test('a key lives as long as the tokens of the oldest policy that it may have signed', async (t) => {
  const machine = new Machine(t)
  machine.drop('1.0.0')
  const run = await machine.boot()
  machine.site({ session: { maxAge: '1d' } })
  await run.follow()
  await run.plane.keyKeeper.rotate('test')
  const held = run.clock.now() + 7 * 24 * hour
  t.match(machine.ring.keys, [
    { id: 1, retired: { verifiesUntil: held } },
    { id: 2, retired: null },
  ])
  await run.beat()
  await run.stop()
  t.equal(machine.ring.keys.length, 2)
  machine.monotonic += 8 * 24 * hour
  const again = await machine.boot()
  await again.beat()
  t.equal(machine.ring.keys.length, 2, 'time down counts for it too: held tokens were lengthened by it')
})

t.test('a key ring that cannot be written ends nothing, and is tried again', async (t) => {
  const machine = new Machine(t)
  machine.drop('1.0.0')
  const run = await machine.boot()
  machine.isRingWritable = false
  await t.rejects(run.plane.keyKeeper.rotate('test'), /no space left/, 'who orders it is told')
  machine.isRingWritable = true
  run.first.isPrompt = false
  const rotated = run.plane.keyKeeper.rotate('test')
  await run.settled()
  t.same(
    run.latest.keys.keys.map(({ id }) => id),
    [1, 2],
  )
  machine.isRingWritable = false
  run.first.take(run.latest)
  await run.beat()
  t.equal(run.latest.keys.signsWith, 1, 'not on disk, so nobody signs with it')
  machine.isRingWritable = true
  await run.beat()
  t.equal(run.latest.keys.signsWith, 1, 'not at once')
  await run.pass(minute)
  await run.beat()
  t.equal(run.latest.keys.signsWith, 2, 'a minute later')
  t.same(await rotated, { keyId: 2 })
  run.first.isPrompt = true
  machine.isRingWritable = false
  await run.pass(8 * 24 * hour)
  await run.beat()
  t.equal(machine.ring.keys.length, 2)
  machine.isRingWritable = true
  await run.pass(minute)
  await run.beat()
  t.equal(machine.ring.keys.length, 1, 'dropped when it can be')
})

t.test('a rotation that is asked for while an old key is dropped loses no key', async (t) => {
  const written: SavedKeyRing[] = []
  const gates: (() => void)[] = []
  const keeper = new KeyKeeper(ringOf(keyOf(1, { verifiesUntil: now - 1 }), keyOf(2)), {
    clock: { now: () => now, monotonic: () => 0 },
    events: { add() {} } as unknown as EventLog,
    log: nullLog,
    write: (ring) => {
      written.push(ring)
      return new Promise((resolve) => gates.push(resolve))
    },
    randomSecret: () => Buffer.alloc(32, 9),
    longestTokenMs: () => 1000,
    spannedMs: () => 0,
    onChange() {},
  })
  const dropped = keeper.dropExpired()
  const rotated = keeper.rotate('operator')
  for (const ids of [[2], [2, 3]]) {
    await until('the next ring is written', () => gates.length > 0)
    t.same(
      written.at(-1)?.keys.map(({ id }) => id),
      ids,
    )
    gates.shift()?.()
  }
  await dropped
  await until('the new key is known', () => keeper.isRotating)
  const verified = keeper.everyoneVerifies()
  await until('the newest key signs', () => gates.length > 0)
  gates.shift()?.()
  await verified
  t.same(await rotated, { keyId: 3 })
  t.equal(keeper.spec.signsWith, 3)
})
