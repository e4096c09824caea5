// What a token says of a target instead of its address. Pure.
import { fnv1a32 } from './fnv.js'
import type { ReleaseVersion, SiteName, TargetUrl } from './ids.js'

/**
 * The tag of a target: 32 bits of its address, salted with its site and release, never 0. It hides the address from a
 * glance and is no secret: who guesses the address can confirm the guess.
 */
export function targetTag(site: SiteName, release: ReleaseVersion, url: TargetUrl): number {
  return fnv1a32(`${site}\n${release}\n${url}`) || 1
}
