// Releases of a site that no worker serves, as a token may still name them: whose sessions another release takes, and
// whose have ended with it. Asked at a document navigation only, never for a session whose release serves.
import type { ReleaseVersion } from './ids.js'
import { canServe } from './version-order.js'

/** What is published of them. */
export interface GoneSpec {
  /** Of those that are known: which release takes their sessions. */
  readonly heirs: readonly { readonly version: ReleaseVersion; readonly to: ReleaseVersion }[]
  /** What may take sessions of versions that nobody knows any more, in order of preference. */
  readonly takers: readonly {
    readonly version: ReleaseVersion
    readonly compatibleFrom: ReleaseVersion | null
  }[]
  /** Those whose sessions have ended with them, as announced: who comes with their tokens is born anew. */
  readonly ended: readonly ReleaseVersion[]
}

/** The releases of one site that are gone. */
export class GoneReleases {
  readonly #spec: GoneSpec

  constructor(spec: GoneSpec = { heirs: [], takers: [], ended: [] }) {
    this.#spec = spec
  }

  /** Which version takes the sessions of one that is gone; null when none can. */
  heirOf(version: ReleaseVersion): ReleaseVersion | null {
    const known = this.#spec.heirs.find((each) => each.version === version)
    if (known !== undefined) return known.to
    const unknown = { version, compatibleFrom: null, rollbackTo: null }
    const taker = this.#spec.takers.find((each) => canServe(unknown, { ...each, rollbackTo: null }))
    return taker?.version ?? null
  }

  /** Whether the sessions of that release have ended with it. */
  hasEnded(version: ReleaseVersion): boolean {
    return this.#spec.ended.includes(version)
  }
}
