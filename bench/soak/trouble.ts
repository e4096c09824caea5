// The soak's book of disturbances: what was done to the gateway and its targets, when, and which failures of which
// visitors that explains. A failure that nothing explains is a fault of the gateway.

/** Where a visitor's session lives: `release target`; empty before his first answer. */
export type Home = string

/** Something went wrong for a visitor between two instants (Unix ms). */
export interface Problem {
  /** Begins with its kind: `cut`, `status`, `moved` or `socket`. */
  readonly what: string
  readonly home: Home
  readonly from: number
  readonly to: number
}

/** What a disturbance may cost, and whom. */
export interface Disturbance {
  readonly what: string
  readonly costs: RegExp
  /** Null: it may have been anybody. Who had no home yet may always have been meant. */
  readonly home: Home | null
  /** The longest that its effects may outlast it. */
  readonly afterMs: number
}

interface Span extends Disturbance {
  readonly from: number
  to: number
}

/** How often the soak looks whether it is still running, and what it takes for having stood still. */
const tickMs = 100
const standstillMs = 500

/** Remembers disturbances and judges problems. */
export class Troubles {
  readonly #spans: Span[] = []
  readonly #timer: NodeJS.Timeout
  readonly explained = new Map<string, number>()
  readonly unexplained: Problem[] = []
  /** How often the targets and visitors, who live in this process, had no processor. */
  standstills = 0

  constructor() {
    let last = Date.now()
    this.#timer = setInterval(() => {
      if (Date.now() - last > tickMs + standstillMs) this.#stoodStill(last)
      last = Date.now()
    }, tickMs)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** A target that answers no probe is taken for ill, and nobody can know better. */
  #stoodStill(from: number): void {
    this.standstills++
    const costs = /^(moved|status 50[234]|socket)/
    this.#spans.push({
      what: 'the machine stood still',
      costs,
      home: null,
      afterMs: 3_000,
      from,
      to: Date.now() + 3_000,
    })
  }

  /** Does it, and remembers when. */
  async during(disturbance: Disturbance, happen: () => Promise<unknown>): Promise<void> {
    const span: Span = { ...disturbance, from: Date.now(), to: Infinity }
    this.#spans.push(span)
    await happen()
    span.to = Date.now() + disturbance.afterMs
  }

  /** Files a problem under what explains it. */
  judge(problem: Problem): void {
    const cause = this.#spans.find(
      ({ from, to, costs, home }) =>
        from <= problem.to &&
        problem.from <= to &&
        costs.test(problem.what) &&
        (home === null || home === problem.home || problem.home === ''),
    )
    if (cause === undefined) this.unexplained.push(problem)
    else {
      const kind = `${cause.what}: ${problem.what.split(':')[0]}`
      this.explained.set(kind, (this.explained.get(kind) ?? 0) + 1)
    }
  }
}
