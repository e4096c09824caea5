// What an operator reads before a release: the notes of every version between what he runs and what he gets. Pure, over
// releases that are in order already.

/** One version's notes, on the way up or taken back on the way down. */
export interface RoadNote<Version> {
  readonly version: Version
  readonly notes: string
}

/**
 * The notes from one version to another in the order in which they come true: upwards the target's last, downwards
 * those that are taken back, the newest first. From nothing, the target's own. `inOrder`: oldest first.
 */
export function roadBook<Version>(
  inOrder: readonly RoadNote<Version>[],
  from: Version | null,
  to: Version,
): readonly RoadNote<Version>[] {
  const target = inOrder.findIndex(({ version }) => version === to)
  const start = inOrder.findIndex(({ version }) => version === from)
  if (target < 0) return []
  if (start < 0) return inOrder.slice(target, target + 1)
  if (start <= target) return inOrder.slice(start + 1, target + 1)
  return inOrder.slice(target + 1, start + 1).toReversed()
}
