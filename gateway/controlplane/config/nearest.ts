// Which of several words was probably meant. Pure text; knows nothing of keys or files.

/** How many letters must be added, left out, changed or swapped with their neighbour to make one word the other. */
export function editDistance(one: string, other: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: other.length + 1 }, (_, column) => column)
  for (let row = 1; row <= one.length; row++) {
    const current = [row]
    for (let column = 1; column <= other.length; column++) {
      const change = one[row - 1] === other[column - 1] ? 0 : 1
      const cost = Math.min(
        (last[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (last[column - 1] ?? 0) + change,
      )
      const isSwap = one[row - 1] === other[column - 2] && one[row - 2] === other[column - 1]
      current[column] = isSwap ? Math.min(cost, (beforeLast[column - 2] ?? Infinity) + 1) : cost
    }
    beforeLast = last
    last = current
  }
  return last[other.length] ?? 0
}

/** The known word nearest to the one found, if it is near enough to have been meant: a third of its letters may differ. */
export function nearest(found: string, known: readonly string[]): string | null {
  let best: string | null = null
  let bestDistance = Math.max(1, Math.floor(found.length / 3)) + 1
  for (const word of known) {
    const distance = editDistance(found.toLowerCase(), word.toLowerCase())
    if (distance >= bestDistance) continue
    best = word
    bestDistance = distance
  }
  return best
}
