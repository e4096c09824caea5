// Where configuration files come from, as the control plane sees it. Knows nothing of how a change is noticed.
import type { ConfigListing } from './desired-state.js'

/** `notify`: the system tells of changes; `poll`: all files are looked at several times a second. */
export type WatchMode = 'notify' | 'poll'

/** A configuration directory that can be read and watched. */
export interface ConfigSource {
  /** How changes are noticed now; a source falls back to `poll` where notification fails. */
  readonly mode: WatchMode
  /** All files that count, once they stand still. Never rejects for what the directory is like. */
  read(): Promise<ConfigListing>
  /**
   * Calls back with a whole new listing each time something changed since the last listing given, by `read` or here,
   * and stands still. Where nothing was read before, the first listing is given at once. To be called once.
   */
  watch(onChange: (listing: ConfigListing) => void): void
  /** No call back comes after it. */
  close(): Promise<void>
}
