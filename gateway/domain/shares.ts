// Which of several releases a birth goes to, by their shares.

/** `point` from 0 (inclusive) to 1 (exclusive) on the shares laid end to end, in their order; null where there is none. */
export function pickByShare<Release extends { readonly share: number }>(
  releases: readonly Release[],
  point: number,
): Release | null {
  const total = releases.reduce((sum, release) => sum + release.share, 0)
  let passed = 0
  for (const release of releases) {
    passed += release.share
    if (point * total < passed) return release
  }
  return releases.at(-1) ?? null
}
