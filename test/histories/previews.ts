// Previews: a visitor opens a link to a release that may not be open to anybody yet, sees that release and no other
// until the pass is over, and his own session has no part in it. Everything that is said of this is judged here.
import type { Handout } from '../../gateway/dataplane/session-handout.js'
import { parseReleaseVersion, type ReleaseVersion } from '../../gateway/domain/ids.js'
import { shop } from '../controlplane/harness.js'
import type { AnnouncedEnds } from './announced-ends.js'
import { applicationCookie, headOf } from './request-head.js'
import type { AnswerKind, OpenRequest, RoutingWorker } from './routing-worker.js'
import { BrokenRule, type Stage } from './stage.js'
import type { RequestKind } from './steps.js'
import type { HeldPass, Visitor } from './truth.js'

export class Previews {
  readonly #stage: Stage
  readonly #ends: AnnouncedEnds

  constructor(stage: Stage, ends: AnnouncedEnds) {
    this.#stage = stage
    this.#ends = ends
  }

  /** A link that has just been made is opened: nobody may know nothing of its key or its release. */
  open(
    visitor: Visitor,
    worker: RoutingWorker,
    link: { readonly url: string; readonly until: number },
  ): void {
    const { search, searchParams } = new URL(link.url)
    const { routing } = worker.begin(headOf(visitor, 'document', null, `/page${search}`))
    if (routing.kind !== 'answered')
      throw new BrokenRule(
        `a new link to a preview is ${routing.kind === 'refused' ? routing.error : 'routed'}`,
      )
    const text = passIn(routing.response.lines)
    const release = parseReleaseVersion(
      Buffer.from(searchParams.get('amarre-preview') ?? '', 'base64url')
        .toString()
        .split('~')[2] ?? '',
    )
    if (release === null || text === '')
      throw new BrokenRule(`a link to a preview brought the pass "${text}"`)
    visitor.pass = { text, release, until: link.until }
    for (const { state, pid } of this.#stage.workers) {
      const found = state.passes.read(text, shop, state.reader.ring)
      if (typeof found === 'string')
        throw new BrokenRule(`worker ${pid} finds "${found}" in a pass of worker ${worker.pid}`)
    }
  }

  end(visitor: Visitor, worker: RoutingWorker): void {
    const { routing } = worker.begin(headOf(visitor, 'document', null, '/page?amarre-preview=off'))
    if (routing.kind !== 'answered' || passIn(routing.response.lines) !== '')
      throw new BrokenRule(`the end of a preview is ${routing.kind}`)
    visitor.pass = null
  }

  /** True: the pass took care of the request; false: it is the visitor's own, as ever. */
  visit(visitor: Visitor, worker: RoutingWorker, kind: RequestKind, answer: AnswerKind): boolean {
    const { pass } = visitor
    if (pass === null) return false
    if (worker.now >= pass.until) return this.#tooLate(visitor, worker, kind)
    const seen = activityOf(worker)
    const { routing, request } = worker.begin(headOf(visitor, kind))
    if (routing.kind === 'refused') this.#refused(pass, routing.error)
    if (request !== null) {
      this.#judgeRoute(pass, request)
      judgeAnswer(pass, worker.answer(request, answer))
    }
    if (activityOf(worker) !== seen)
      throw new BrokenRule(`a preview of ${pass.release} counts for its release`)
    return true
  }

  /** Nothing of what a previewed page sends reaches the visitor's own session; his next page ends the preview. */
  #tooLate(visitor: Visitor, worker: RoutingWorker, kind: RequestKind): boolean {
    if (kind === 'part' || kind === 'fetch') return false
    const { routing } = worker.begin(headOf(visitor, kind))
    if (routing.kind !== 'refused' || routing.error !== 'preview_over')
      throw new BrokenRule(`after the end of a preview a ${kind} is ${routing.kind}`)
    if (kind === 'post') return true
    this.end(visitor, worker)
    return false
  }

  #refused({ release }: HeldPass, error: string): void {
    if (error === 'preview_gone' && this.#mayBeGone(release)) return
    throw new BrokenRule(`a preview of ${release} is refused with ${error}`)
  }

  #mayBeGone(release: ReleaseVersion): boolean {
    const { workers, run } = this.#stage
    const state = run.find(release)?.state.name
    const isThere = state === 'staged' || state === 'active' || state === 'draining'
    const isSettled = workers.every((worker) => worker.state.table?.generation === run.table.generation)
    return !isThere || !isSettled || this.#ends.hasEnded(release)
  }

  #judgeRoute({ release }: HeldPass, { route }: OpenRequest): void {
    const to = route.release.version
    if (to !== release || !route.isPreview) throw new BrokenRule(`a preview of ${release} showed ${to}`)
    const own = /^cookie:.*$/im.exec(route.upstreamHead)?.[0] ?? ''
    if (own.includes(applicationCookie) || own.includes('amarre'))
      throw new BrokenRule(`a preview of ${release} was told "${own}" of the visitor's own session`)
  }
}

function judgeAnswer({ release }: HeldPass, { issued, ended, lines }: Handout): void {
  const isOwn = issued !== null || ended !== null || /^set-cookie: (?!amarre-pv-)/im.test(lines)
  if (isOwn) throw new BrokenRule(`an answer of a preview of ${release} reached the visitor's own session`)
}

/** Everything that a worker counts for sessions and verdicts, as text. */
function activityOf({ state: { activity } }: RoutingWorker): string {
  const counts = activity.releases().flatMap(({ index, ...seen }) => {
    const { births, birthsUntil, lastTouchAt, exchangesOpen, socketsOpen } = seen
    const figures = [births, birthsUntil, lastTouchAt, exchangesOpen, socketsOpen]
    return figures.every((figure) => figure === 0) ? [] : [[index, ...figures].join(' ')]
  })
  return counts.join('\n')
}

function passIn(lines: string): string {
  return /amarre-preview=([^;\r\n]*)/.exec(lines)?.[1] ?? ''
}
