// Older forms of the saved documents, one step for each version: what a form lacks gets the value that says what that
// version of the gateway did. Knows the older forms only as far as they differ.

type Saved = Readonly<Record<string, unknown>>
type SavedSite = Saved & { readonly releases: readonly Saved[] }
type Lifecycle = Saved & { readonly register: Saved & { readonly sites: readonly SavedSite[] } }

/** From each version to the next. */
const steps: readonly ((site: SavedSite) => SavedSite)[] = [withRollouts, withMoves]

/** The saved lifecycle in its present form. */
export function upgradedLifecycle(saved: object, version: number): object {
  const lifecycle = saved as Lifecycle
  const due = steps.slice(version - 1)
  const sites = lifecycle.register.sites.map((site) => due.reduce((older, step) => step(older), site))
  return { ...lifecycle, version: version + due.length, register: { ...lifecycle.register, sites } }
}

/** The saved checkpoint in its present form: version 2 tells when it was written. */
export function upgradedCheckpoint(saved: object, version: number): object {
  if (version > 1) return saved
  return { ...saved, version: 2, writtenAt: (saved as Saved)['asOf'] }
}

/** Version 2: rollouts, and releases that were given up. */
function withRollouts(site: SavedSite): SavedSite {
  const releases = site.releases.map((release) => ({ ...release, wasGivenUp: false }))
  return { ...site, rollout: null, releases }
}

/** Version 3: orders to move, announced ends, and since when a release has been draining in all. */
function withMoves(site: SavedSite): SavedSite {
  const releases = site.releases.map((release) => ({
    ...release,
    moveOrder: null,
    ending: null,
    state: withBeginning(release['state'] as Saved),
  }))
  return { ...site, ended: [], releases }
}

function withBeginning(state: Saved): Saved {
  const isDraining = state['name'] === 'draining' || state['name'] === 'retirable'
  return isDraining ? { ...state, begunAt: state['since'] } : state
}
