// What one release of the shop is: its version, its colour and what it can do. Knows nothing of requests.

/** One thing that a release of the shop can do, and since when. */
interface Feature {
  readonly since: readonly [number, number]
  readonly title: string
}

const features = {
  express: { since: [1, 1], title: 'Express checkout: buy with one press' },
  giftWrap: { since: [1, 2], title: 'Gift wrapping for every order' },
} as const satisfies Record<string, Feature>

/** What a release may be able to do. */
export type FeatureName = keyof typeof features

/** One running release of the shop: `name` tells its processes apart. */
export interface Release {
  readonly version: string
  readonly name: string
  /** An angle on the colour wheel, the same for every process of the release. */
  readonly hue: number
  readonly can: Readonly<Record<FeatureName, boolean>>
  /** Sentences for the visitor on what this release brought. */
  readonly novelties: readonly string[]
}

const knownHues: ReadonlyMap<string, number> = new Map([
  ['1.0.0', 214],
  ['1.1.0', 168],
  ['1.2.0', 322],
])

function hueOf(version: string): number {
  let sum = 0
  for (const letter of version) sum = (sum * 31 + letter.charCodeAt(0)) % 360
  return knownHues.get(version) ?? sum
}

function isSince(version: string, [major, minor]: Feature['since']): boolean {
  const [ownMajor = 0, ownMinor = 0] = version.replace(/^v/, '').split('.').map(Number)
  return ownMajor > major || (ownMajor === major && ownMinor >= minor)
}

/** The release that a version and the name of a process stand for. */
export function releaseOf(version: string, name: string): Release {
  const can = {
    express: isSince(version, features.express.since),
    giftWrap: isSince(version, features.giftWrap.since),
  }
  const novelties = Object.values(features).filter(({ since }) => isSince(version, since))
  return { version, name, hue: hueOf(version), can, novelties: novelties.map(({ title }) => title) }
}
