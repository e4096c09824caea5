// The schema of a registration: every key with its default and sentence, and the step from its words to
// Registration. Knows nothing of files, positions or other releases.
import { z } from 'zod'
import type { ReleaseVersion, SiteName } from '../../domain/ids.js'
import type { ActivationPlan, Registration } from '../../domain/registration.js'
import { targetUrl } from './network-words.js'
import {
  duration,
  instant,
  oneOf,
  percentage,
  releaseVersion,
  siteName,
  versionRange,
  wholeNumber,
} from './words.js'

const ifMissed = oneOf('next-window', 'immediately', 'skip')
  .prefault('next-window')
  .describe(
    'What happens when the instant has passed, or a step comes due, and no window is open: wait for the next, go on all the same, or leave it to an operator.',
  )

const step = z.strictObject({
  share: percentage().describe('The share of new sessions that the release gets.'),
  hold: duration({ words: ['immediately'] }).describe('How long, at least.'),
})

const abortOn = z.strictObject({
  errorRate: percentage()
    .optional()
    .describe(
      "The highest share of requests answered with 5xx above the stable release's over the same time; unset: not judged.",
    ),
  p95: duration({ min: 1 })
    .optional()
    .describe(
      'The highest 95th percentile of the duration of requests, where the stable release is faster; unset: not judged.',
    ),
  minRequests: wholeNumber(1, 1_000_000_000)
    .prefault(100)
    .describe(
      'How many requests are needed for a judgement, and how many births on the candidate before the next step: a hold is extended until then.',
    ),
  window: duration({ min: 1000 })
    .prefault('5m')
    .describe('The time over which requests are judged; as much more as it takes for `minRequests`.'),
})

const activate = z.union(
  [
    oneOf('manual', 'auto'),
    z.strictObject({ at: instant().describe('When the release becomes active.'), ifMissed }),
    z.strictObject({
      steps: z
        .array(step, 'a list of maps of "share" and "hold"')
        .min(1, 'at least one step')
        .describe('Growing shares, one after the other; after the last the release gets all.'),
      abortOn: abortOn.nullable().prefault(null).describe('What ends the rollout; `null`: an operator only.'),
      ifMissed,
    }),
  ],
  '"manual", "auto", { at: … } or { steps: […] }',
)

/** The words of a registration. Only `targets` is required. */
export const registrationSchema = z
  .strictObject({
    $schema: z.string().optional().describe('Where an editor finds the JSON Schema; otherwise ignored.'),
    version: releaseVersion()
      .optional()
      .describe("The release's version; unset: the file's name without its ending."),
    targets: z
      .array(targetUrl(), 'a list of addresses such as ["http://127.0.0.1:3000"]')
      .min(1, 'at least one target')
      .describe('Where the release runs: `http://host:port`, `https://host:port` or `unix:/path`.'),
    compatibleFrom: releaseVersion()
      .nullable()
      .prefault(null)
      .describe('The oldest version whose sessions this release can take over; `null`: this version itself.'),
    rollbackTo: releaseVersion()
      .nullable()
      .prefault(null)
      .describe('The oldest version that can run on the data which this release writes; `null`: any.'),
    takeOver: oneOf('never', 'onDocument', 'immediately')
      .prefault('never')
      .describe(
        'When compatible sessions move here at activation: never, at the next page, or at any request.',
      ),
    requires: z
      .record(siteName(), versionRange(), 'a map of sites and ranges such as { billing: ">=3.1" }')
      .prefault({})
      .describe("Semver ranges that other sites' active releases must satisfy."),
    activate: activate
      .prefault('manual')
      .describe(
        'When the release becomes active: `manual`, `auto` (as soon as every check passes), `{ at: … }` or `{ steps: […] }`.',
      ),
    onAbort: oneOf('keep', 'move')
      .prefault('keep')
      .describe('What becomes of the sessions born on it when its rollout is aborted.'),
    notes: z.string('a text').prefault('').describe('What is new, for operators.'),
  })
  .describe('One release: version, targets, compatibility and activation plan.')

/** What registrationSchema gives. */
export type RegistrationWords = z.output<typeof registrationSchema>

/** Where a registration comes from: its site, the version its file's name stands for, and the file. */
export interface RegistrationOrigin {
  readonly site: SiteName
  /** Null where the file's name is no version. */
  readonly version: ReleaseVersion | null
  readonly file: string
  readonly hash: string
}

function planOf(words: RegistrationWords['activate']): ActivationPlan {
  if (typeof words === 'string') return { kind: words }
  if ('at' in words) return { kind: 'at', ...words }
  const limits = words.abortOn
  return {
    kind: 'steps',
    steps: words.steps.map(({ share, hold }) => ({ share, holdMs: hold })),
    abortOn: limits && {
      errorRate: limits.errorRate ?? Infinity,
      p95Ms: limits.p95 ?? Infinity,
      minRequests: limits.minRequests,
      windowMs: limits.window,
    },
    ifMissed: words.ifMissed,
  }
}

/** The registration that validated words stand for; null where neither they nor the file's name say a version. */
export function toRegistration(origin: RegistrationOrigin, words: RegistrationWords): Registration | null {
  const version = words.version ?? origin.version
  if (version === null) return null
  return {
    site: origin.site,
    version,
    targets: words.targets,
    compatibleFrom: words.compatibleFrom,
    rollbackTo: words.rollbackTo,
    takeOver: words.takeOver,
    requires: words.requires,
    activate: planOf(words.activate),
    onAbort: words.onAbort,
    notes: words.notes,
    file: origin.file,
    hash: origin.hash,
  }
}
