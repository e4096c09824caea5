// What a response's head says that matters to the visitor's token. Caching fields are read when they are asked for: most
// answers hand nothing out. Valid as long as the head is.
import { fieldKindOf } from '../domain/headers.js'
import { fieldValues, isEventStream } from './response-fields.js'
import type { ResponseFacts, SessionSignal } from './session-handout.js'
import type { ResponseHead } from './upstream/upstream.js'

const kinds = {
  cacheControl: fieldKindOf('cache-control'),
  cdnCacheControl: fieldKindOf('cdn-cache-control'),
  surrogateControl: fieldKindOf('surrogate-control'),
}

/** The facts of one head, and what the response does to the session. */
export class HeadFacts implements ResponseFacts {
  readonly signal: SessionSignal
  readonly #head: ResponseHead

  constructor(head: ResponseHead, signal: SessionSignal) {
    this.#head = head
    this.signal = signal
  }

  get status(): number {
    return this.#head.status
  }

  get cacheControl(): string {
    return fieldValues(this.#head, kinds.cacheControl)
  }

  get cdnCacheControl(): readonly string[] {
    return [fieldValues(this.#head, kinds.cdnCacheControl), fieldValues(this.#head, kinds.surrogateControl)]
  }

  get isHeld(): boolean {
    return this.status === 101 || (this.status === 200 && isEventStream(this.#head))
  }
}
