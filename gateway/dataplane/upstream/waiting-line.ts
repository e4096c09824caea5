// A first-in, first-out line whose members may leave from anywhere. Knows nothing of what they wait for.
//
//   first -> o <-> o <-> o <- last       each member carries its own two links: joining and leaving allocate nothing

/** A member of at most one line. */
export interface Waiting<T> {
  previous: T | null
  next: T | null
}

export class WaitingLine<T extends Waiting<T>> {
  first: T | null = null
  length = 0
  private last: T | null = null

  join(member: T): void {
    member.previous = this.last
    if (this.last === null) this.first = member
    else this.last.next = member
    this.last = member
    this.length++
  }

  /** Takes out a member that is in the line. */
  leave(member: T): void {
    const { previous, next } = member
    if (previous === null) this.first = next
    else previous.next = next
    if (next === null) this.last = previous
    else next.previous = previous
    member.previous = null
    member.next = null
    this.length--
  }
}
