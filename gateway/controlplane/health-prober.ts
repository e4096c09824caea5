// Probes every target of every release that serves, for as long as it serves: quickly while the release is being
// checked, else at the site's interval. Says what each answer made of the target's health; decides nothing.
import type { ReleaseIndex, TargetUrl } from '../domain/ids.js'
import type { Clock } from '../domain/ports.js'
import type { HealthPolicy } from '../domain/site-policy.js'
import { newHealth, observe, type TargetHealth } from '../domain/target-health.js'

/** Asks one target once; resolves always, within `timeoutMs`. A null path probes by connecting. */
export type Probe = (
  url: TargetUrl,
  path: string | null,
  timeoutMs: number,
) => Promise<{ readonly ok: boolean; readonly detail: string }>

/** What is to be probed for one release. */
export interface ProbePlan {
  readonly release: ReleaseIndex
  readonly targets: readonly TargetUrl[]
  readonly policy: HealthPolicy
  /** The release is being checked: probes follow each other quickly. */
  readonly isChecking: boolean
  /** Those of the targets that served before a restart: they are used until a probe says otherwise. */
  readonly assumed: readonly TargetUrl[]
}

/** While a release is checked its probes follow each other at this distance. */
const checkingIntervalMs = 200

interface Probed {
  plan: ProbePlan
  health: TargetHealth
  timer: NodeJS.Timeout | null
}

export class HealthProber {
  readonly #probe: Probe
  readonly #clock: Clock
  readonly #onChange: (release: ReleaseIndex) => void
  readonly #probed = new Map<ReleaseIndex, Map<TargetUrl, Probed>>()

  /** `onChange` is called after each answer that changed a target's state. */
  constructor(probe: Probe, clock: Clock, onChange: (release: ReleaseIndex) => void) {
    this.#probe = probe
    this.#clock = clock
    this.#onChange = onChange
  }

  /** Probes exactly what the plans name; what stays keeps its health. */
  follow(plans: readonly ProbePlan[]): void {
    const wanted = new Map(plans.map((plan) => [plan.release, plan]))
    for (const plan of plans) for (const url of plan.targets) this.#plan(url, plan)
    for (const [release, targets] of this.#probed) {
      const plan = wanted.get(release)
      for (const [url, { timer }] of targets) {
        if (plan?.targets.includes(url) === true) continue
        targets.delete(url)
        if (timer !== null) clearTimeout(timer)
      }
      if (plan === undefined) this.#probed.delete(release)
    }
  }

  /** Null for a target that is not probed. */
  healthOf(release: ReleaseIndex, url: TargetUrl): TargetHealth | null {
    return this.#probed.get(release)?.get(url)?.health ?? null
  }

  stop(): void {
    this.follow([])
  }

  #plan(url: TargetUrl, plan: ProbePlan): void {
    const targets = this.#targetsOf(plan.release)
    const known = targets.get(url)
    if (known === undefined) {
      const health = newHealth(plan.assumed.includes(url) ? 'assumed' : 'unproven')
      const probed: Probed = { plan, health, timer: null }
      targets.set(url, probed)
      void this.#ask(url, probed)
      return
    }
    const becomesUrgent = intervalOf(plan) < intervalOf(known.plan)
    known.plan = plan
    if (becomesUrgent && known.timer !== null) {
      clearTimeout(known.timer)
      void this.#ask(url, known)
    }
  }

  #targetsOf(release: ReleaseIndex): Map<TargetUrl, Probed> {
    let targets = this.#probed.get(release)
    if (targets === undefined) this.#probed.set(release, (targets = new Map()))
    return targets
  }

  async #ask(url: TargetUrl, probed: Probed): Promise<void> {
    probed.timer = null
    const { policy, release } = probed.plan
    const startedAt = this.#clock.monotonic()
    const { ok, detail } = await this.#probe(url, policy.path, policy.timeoutMs)
    // A late answer: the target is no longer probed, or by another.
    if (this.#probed.get(release)?.get(url) !== probed) return
    const durationMs = Math.round(this.#clock.monotonic() - startedAt)
    const before = probed.health.state
    probed.health = observe(
      probed.health,
      { at: this.#clock.now(), ok, detail, durationMs },
      probed.plan.policy,
    )
    probed.timer = setTimeout(() => void this.#ask(url, probed), intervalOf(probed.plan))
    if (probed.health.state !== before) this.#onChange(probed.plan.release)
  }
}

function intervalOf({ isChecking, policy }: ProbePlan): number {
  return isChecking ? checkingIntervalMs : policy.intervalMs
}
