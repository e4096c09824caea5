// What is published of a first adoption: docs/architecture.md, rule 5.
import type { ReleaseIndex } from './ids.js'

/** First adoption, while it lasts: who has the cookie and no token of ours boards the release. */
export interface AdoptionSpec {
  readonly cookie: string
  /** Null while it does not serve, or not by every worker, or is dead. */
  readonly release: ReleaseIndex | null
  readonly until: number
}
