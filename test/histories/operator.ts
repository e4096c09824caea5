// What an operator does in a history: writes files, gives orders. An order that a rule refuses is none.
import type { Order, RecallOrder } from '../../gateway/controlplane/gateway-view.js'
import { previewLink } from '../../gateway/controlplane/preview-link.js'
import { RuleRefusal } from '../../gateway/controlplane/rule-refusal.js'
import type { SessionId } from '../../gateway/domain/ids.js'
import { applicationCookie, pageHeader } from './request-head.js'
import { versionOf, type Floors, type Stage } from './stage.js'
import type { Declared, MaxAge, Step } from './steps.js'

/** What is ordered of a running gateway. */
export type OrderStep = Extract<
  Step,
  { readonly do: 'activate' | 'rollback' | 'drain' | 'retire' | 'recall' | 'freeze' | 'unfreeze' | 'rotate' }
>

export class Operator {
  readonly #stage: Stage

  constructor(stage: Stage) {
    this.#stage = stage
    this.#writeSite()
  }

  setIdleTime(minutes: number | 'never'): void {
    this.#stage.idleMinutes = minutes === 'never' ? Infinity : minutes
    this.#writeSite()
  }

  setMaxAge(age: MaxAge): void {
    this.#stage.maxAge = age
    this.#writeSite()
  }

  #writeSite(): void {
    const { history, machine } = this.#stage
    const { onReleaseGone, affinity, retain, pagesName } = history
    machine.site({
      hosts: ['*'],
      session: {
        idleTimeout: this.#stage.idleMinutes === Infinity ? 'never' : `${this.#stage.idleMinutes}m`,
        maxAge: this.#stage.maxAge,
        onReleaseGone,
        affinity,
        ...(history.startsOn === 'cookie' ? { startsOn: { cookie: applicationCookie } } : {}),
        ...this.#legacy(),
      },
      retain,
      ...(pagesName ? { pagePin: { header: pageHeader, sharedSessions: true } } : {}),
    })
  }

  #legacy(): object {
    const { legacy } = this.#stage
    if (legacy === null) return {}
    const until = new Date(legacy.until).toISOString()
    return { legacy: { cookie: applicationCookie, release: legacy.release, until } }
  }

  drop(release: number, note: number): void {
    const { history, machine, floors } = this.#stage
    const declared = history.releases[release] as Declared
    const { compatibleFrom, rollbackTo } = floors[release] as Floors
    machine.drop(versionOf(release), {
      ...(compatibleFrom === null ? {} : { compatibleFrom: versionOf(compatibleFrom) }),
      ...(rollbackTo === null ? {} : { rollbackTo: versionOf(rollbackTo) }),
      takeOver: declared.takeOver,
      onAbort: declared.onAbort,
      activate: planOf(declared.plan),
      notes: `note ${note}`,
    })
  }

  order(step: OrderStep): void {
    try {
      this.#give(step)
    } catch (error) {
      if (!(error instanceof RuleRefusal)) throw error
    }
  }

  /** A link to a preview; null where a rule refuses it. */
  previewLink(release: number, ttlMs: number): { readonly url: string; readonly until: number } | null {
    const { run } = this.#stage
    const { publisher, events, keyKeeper } = run.plane
    const found = run.find(versionOf(release))
    if (found === null) return null
    const parts = {
      publisher,
      events,
      keys: () => keyKeeper.spec,
      urls: () => ({ http: 'http://shop.test', https: null }),
      randomId: () => '0123456789abcdef' as SessionId,
    }
    try {
      const now = run.clock.now()
      return previewLink(found, ['shop.test'], { by: 'test', ttlMs, url: null, now }, parts)
    } catch (error) {
      if (!(error instanceof RuleRefusal)) throw error
      return null
    }
  }

  #give(step: OrderStep): void {
    const { run } = this.#stage
    const { controller, keyKeeper } = run.plane
    const { site } = run
    const order = { by: 'test', force: 'force' in step && step.force }
    const release = 'release' in step ? run.find(versionOf(step.release)) : null
    // It goes on when every worker has acknowledged, which may be never.
    if (step.do === 'rotate') void keyKeeper.rotate('test')
    else if (step.do === 'rollback') controller.orders.rollback(site, { ...order, to: null })
    else if (step.do === 'freeze') controller.orders.freeze(site, order)
    else if (step.do === 'unfreeze') controller.orders.unfreeze(site, order)
    else if (release === null) return
    else if (step.do === 'activate') controller.orders.activate(site, release, order)
    else if (step.do === 'drain') controller.orders.drain(site, release, order)
    else if (step.do === 'recall') controller.departures.recall(site, release, recallOf(step, order))
    else if (order.force) controller.departures.announceEnd(site, release, order)
    else controller.retirement.retire(release, 'test')
  }
}

function recallOf({ to, rate }: Extract<Step, { readonly do: 'recall' }>, order: Order): RecallOrder {
  return { ...order, to: versionOf(to), perSecond: rate }
}

function planOf(plan: Declared['plan']): unknown {
  const steps = [
    { share: '20%', hold: '1m' },
    { share: '60%', hold: '10m' },
  ]
  if (plan === 'steps') return { steps }
  if (plan === 'abortable') return { steps, abortOn: { errorRate: '20%', minRequests: 5, window: '20m' } }
  return plan
}
