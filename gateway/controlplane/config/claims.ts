// Who gets what only one may have: a host among sites, a version among files. What is in force wins over a newcomer,
// then the order of names decides. Pure; knows nothing of hosts, versions or files.

/** One who wants something: by what is written now, or else by what was last good. */
export interface Claimant<T> {
  readonly key: string
  /** Null where what is written now is bad or missing. */
  readonly present: T | null
  /** What is in force; the same object as `present` where nothing changed; null for a newcomer. */
  readonly former: T | null
}

/** One who got what he wanted now, or keeps what he had. */
export interface Settled<T> {
  readonly key: string
  readonly value: T
  readonly isFormer: boolean
}

/** A claim that came too late. */
export interface Conflict {
  readonly key: string
  readonly claim: string
  readonly holder: string
}

/** The outcome, in order of keys. */
export interface Settlement<T> {
  readonly settled: readonly Settled<T>[]
  readonly conflicts: readonly Conflict[]
}

type ClaimsOf<T> = (value: T) => readonly string[]

/** Whether a claimant wants nothing but what he has. */
function isContent<T>({ present, former }: Claimant<T>, claimsOf: ClaimsOf<T>): boolean {
  if (former === null) return false
  const held = new Set(claimsOf(former))
  return present === null || claimsOf(present).every((claim) => held.has(claim))
}

function byKey(one: { readonly key: string }, other: { readonly key: string }): number {
  return one.key < other.key ? -1 : 1
}

/** Gives every claim to one claimant at most. Who loses one keeps what he had, if that is still free, or gets nothing. */
export function settleClaims<T>(claimants: readonly Claimant<T>[], claimsOf: ClaimsOf<T>): Settlement<T> {
  const holders = new Map<string, string>()
  const settled: Settled<T>[] = []
  const conflicts: Conflict[] = []
  const take = (key: string, value: T, isFormer: boolean): boolean => {
    const claims = claimsOf(value)
    const lost = claims.filter((claim) => holders.has(claim))
    conflicts.push(...lost.map((claim) => ({ key, claim, holder: holders.get(claim) ?? '' })))
    if (lost.length > 0) return false
    claims.forEach((claim) => holders.set(claim, key))
    settled.push({ key, value, isFormer })
    return true
  }
  const content = claimants.filter((claimant) => isContent(claimant, claimsOf)).toSorted(byKey)
  const others = claimants.filter((claimant) => !isContent(claimant, claimsOf)).toSorted(byKey)
  for (const { key, present, former } of [...content, ...others]) {
    if (present !== null && take(key, present, false)) continue
    if (former !== null && former !== present) take(key, former, true)
  }
  return { settled: settled.toSorted(byKey), conflicts }
}
