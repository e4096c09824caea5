// A crowd in the state of a stopped gateway: sessions that nobody has seen come, put into its ledger as if they had, and
// tokens for some of them, signed with the gateway's own keys. They begin now and end by chance within their idle time.
import { randomFillSync } from 'node:crypto'
import { join } from 'node:path'
import { readKeyFile } from '../gateway/adapters/key-file.js'
import { openLmdbStore } from '../gateway/adapters/lmdb-store.js'
import { LedgerKeeper } from '../gateway/controlplane/ledger-keeper.js'
import { Journal } from '../gateway/controlplane/ledger/journal.js'
import { readLifecycle, type SavedLifecycle } from '../gateway/controlplane/saved-state.js'
import { SessionLedger } from '../gateway/controlplane/session-ledger.js'
import { signToken, type KeyRing } from '../gateway/dataplane/affinity-token.js'
import { parseReleaseIndex, type SessionId } from '../gateway/domain/ids.js'
import { targetTag } from '../gateway/domain/target-tag.js'

const rowsABatch = 100_000
/** The idle time of a site that says nothing. */
const idleTimeMs = 1_800_000

/** Who is to be there. */
export interface CrowdPlan {
  /** Sessions in the ledger, those that it holds already left out. */
  readonly sessions: number
  /** So many of them get a token. */
  readonly tokens: number
  /** The first ones end within this time from now, the others within the idle time. */
  readonly ending: { readonly sessions: number; readonly withinMs: number }
}

/** Fills the ledger of the first release of the first site; the `Cookie` headers of those with a token. */
export async function fillWithCrowd(stateDirectory: string, plan: CrowdPlan): Promise<string[]> {
  const store = await openLmdbStore(stateDirectory)
  try {
    const lifecycle = readLifecycle(store)
    if (lifecycle === null) throw new Error('the state to fill was never saved')
    const ids = randomFillSync(new Uint32Array(2 * plan.sessions))
    const journal = new Journal()
    const ledger = new SessionLedger({ maxSessions: Infinity, journal })
    const keeper = new LedgerKeeper({ ledger, journal, store })
    await keeper.restore()
    await touchAll(plan, ids, { ledger, keeper, index: firstOf(lifecycle).index })
    const ring = await ringOf(stateDirectory)
    const chosen = Array.from({ length: plan.tokens }, (_, i) => idAt(ids, plan.sessions - 1 - i))
    return chosen.map((id) => `amarre=${tokenOf(id, lifecycle, ring)}`)
  } finally {
    await store.close()
  }
}

interface Filled {
  readonly ledger: SessionLedger
  readonly keeper: LedgerKeeper
  readonly index: number
}

async function touchAll(plan: CrowdPlan, ids: Uint32Array, { ledger, keeper, index }: Filled): Promise<void> {
  const release = parseReleaseIndex(index)
  if (release === null) throw new Error(`no release "${index}"`)
  for (let first = 0; first < plan.sessions; first += rowsABatch) {
    const rows = Math.min(rowsABatch, plan.sessions - first)
    const now = Date.now()
    const batch = {
      ids: ids.subarray(2 * first, 2 * (first + rows)),
      releases: new Uint16Array(rows).fill(release),
      bornAt: new Float64Array(rows).fill(now),
      until: new Float64Array(rows).map((_, row) => now + lifeMs(plan, first + row)),
    }
    ledger.touch(batch, now)
    await keeper.save(now)
  }
}

function lifeMs({ ending }: CrowdPlan, number: number): number {
  return number < ending.sessions ? Math.random() * ending.withinMs : idleTimeMs * (0.5 + Math.random() / 2)
}

/** The release that the gateway of a bench deployed first. */
function firstOf({ register }: SavedLifecycle) {
  const [release] = register.sites[0]?.releases ?? []
  if (release === undefined) throw new Error('the state to fill knows no release')
  return release
}

async function ringOf(stateDirectory: string): Promise<KeyRing> {
  const saved = await readKeyFile(join(stateDirectory, 'keys.json'))
  const keys = (saved?.keys ?? []).map(({ id, secret }) => ({ id, secret: Buffer.from(secret, 'base64') }))
  return { keys, signsWith: keys.at(-1)?.id ?? 0 }
}

function idAt(ids: Uint32Array, row: number): SessionId {
  const half = (at: number): string => (ids[at] ?? 0).toString(16).padStart(8, '0')
  return `${half(2 * row)}${half(2 * row + 1)}` as SessionId
}

function tokenOf(id: SessionId, lifecycle: SavedLifecycle, ring: KeyRing): string {
  const { site, version: release, targets } = firstOf(lifecycle).registration
  const [url] = targets
  if (url === undefined) throw new Error(`"${release}" has no target`)
  const now = Date.now()
  const { issuer } = lifecycle
  return signToken(
    {
      site,
      release,
      targetTag: targetTag(site, release, url),
      id,
      bornAt: now,
      issuedAt: now,
      until: now + idleTimeMs,
      held: false,
      issuer,
    },
    ring,
  )
}
