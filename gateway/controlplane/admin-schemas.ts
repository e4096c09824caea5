// JSON Schemas of what the admin API answers, for its OpenAPI document. The compiler holds them to the keys of the
// types in admin-protocol.ts: a new key there must be described here.
import { moveCauses } from '../domain/moves.js'
import { outcomeNames } from './admin-protocol-desk.js'
import { releaseStateNames } from './admin-protocol.js'
import type {
  ExplainBody,
  ExplanationStatus,
  PreviewLink,
  ReleaseSessions,
  SessionStatus,
} from './admin-protocol-desk.js'
import type {
  ConfigStatus,
  EventStatus,
  GatewayStatus,
  KeyRotation,
  MoveOrderStatus,
  MoveStatus,
  OrderBody,
  PlannedSessions,
  PlanStatus,
  ProblemJson,
  ReadyStatus,
  ReleaseStatus,
  RolloutArmStatus,
  RolloutStatus,
  SessionFigures,
  SiteStatus,
  StateStatus,
  TargetStatus,
  VerdictStatus,
} from './admin-protocol.js'

/** A JSON Schema (2020-12), as far as it is used here. */
export type JsonSchema = Readonly<Record<string, unknown>>

type Element<List> = List extends readonly (infer Item)[] ? Item : never

const text = { type: 'string' }
const texts = { type: 'array', items: text }
const oneOrMore = { anyOf: [text, texts] }
const flag = { type: 'boolean' }
const count = { type: 'integer', minimum: 0 }
const share = { type: 'number', minimum: 0, maximum: 1 }
const instant = { type: 'string', format: 'date-time' }

function orNull(schema: JsonSchema): JsonSchema {
  return { anyOf: [schema, { type: 'null' }] }
}

function listOf(items: JsonSchema): JsonSchema {
  return { type: 'array', items }
}

function named(name: string): JsonSchema {
  return { $ref: `#/components/schemas/${name}` }
}

/** An object with all keys of a type, each always there but for the optional ones. */
function objectOf<T>(
  properties: { readonly [K in keyof Required<T>]: JsonSchema },
  optional: readonly (keyof T)[] = [],
): JsonSchema {
  const required = Object.keys(properties).filter((key) => !optional.includes(key as keyof T))
  return { type: 'object', properties, required, additionalProperties: false }
}

/** Every schema by its name in the document. */
export const jsonSchemas = {
  GatewayStatus: objectOf<GatewayStatus>({
    ready: flag,
    waitingFor: texts,
    startedAt: instant,
    publicUrl: text,
    workers: listOf(
      objectOf<Element<GatewayStatus['workers']>>({ pid: count, state: text, generation: count }),
    ),
    config: named('ConfigStatus'),
    state: named('StateStatus'),
  }),
  StateStatus: objectOf<StateStatus>({ ageMs: count, problem: orNull(text) }),
  ReadyStatus: objectOf<ReadyStatus>({ ready: flag, waitingFor: texts }),
  ConfigStatus: objectOf<ConfigStatus>({
    problems: listOf(
      objectOf<Element<ConfigStatus['problems']>>({
        severity: { enum: ['error', 'warning'] },
        file: text,
        line: count,
        column: count,
        path: text,
        message: text,
      }),
    ),
    keptFiles: texts,
  }),
  SiteStatus: objectOf<SiteStatus>({
    site: text,
    hosts: texts,
    active: texts,
    frozen: { type: 'boolean' },
    rollout: orNull(named('RolloutStatus')),
    warnings: texts,
    releases: listOf(named('ReleaseStatus')),
  }),
  ReleaseStatus: objectOf<ReleaseStatus>({
    site: text,
    version: text,
    state: { enum: releaseStateNames },
    since: instant,
    withdrawn: flag,
    rejected: orNull(text),
    generation: count,
    serves: flag,
    acceptsBirths: flag,
    share,
    rollout: orNull(named('RolloutStatus')),
    file: text,
    hash: text,
    targets: listOf(named('TargetStatus')),
    sessions: objectOf<SessionFigures>({ active: count, provisional: count, oldest: orNull(instant) }),
    births: count,
    exchangesOpen: count,
    websocketsOpen: count,
    verdict: named('VerdictStatus'),
    dead: flag,
    overflowing: flag,
    endsAt: orNull(instant),
    moveOrder: orNull(
      objectOf<MoveOrderStatus>({
        to: text,
        because: { enum: ['recall', 'abort'] },
        perSecond: orNull({ type: 'number', exclusiveMinimum: 0 }),
        forced: flag,
        by: text,
        since: instant,
      }),
    ),
    moves: orNull(
      objectOf<MoveStatus>({ to: text, because: { enum: moveCauses }, at: { enum: ['document', 'safe'] } }),
    ),
  }),
  RolloutArmStatus: objectOf<RolloutArmStatus>({
    version: text,
    share,
    births: count,
    requests: count,
    failed: count,
    errorRate: share,
    p95Ms: orNull({ type: 'number', minimum: 0 }),
  }),
  RolloutStatus: objectOf<RolloutStatus>({
    candidate: named('RolloutArmStatus'),
    stable: named('RolloutArmStatus'),
    startedAt: instant,
    step: count,
    steps: listOf(objectOf<Element<RolloutStatus['steps']>>({ share, holdMs: count })),
    stepSince: instant,
    until: orNull(instant),
    birthsInStep: count,
    birthsNeeded: count,
    endsBy: instant,
    text,
  }),
  PlannedSessions: objectOf<PlannedSessions>({
    version: text,
    active: count,
    compatible: flag,
    moves: { enum: ['never', 'onDocument', 'immediately'] },
  }),
  PlanStatus: objectOf<PlanStatus>({
    site: text,
    version: text,
    state: { enum: releaseStateNames },
    active: texts,
    boarding: objectOf<PlanStatus['boarding']>({ text, at: orNull(instant) }),
    refusals: listOf(objectOf<Element<PlanStatus['refusals']>>({ rule: text, detail: text })),
    sessions: objectOf<PlanStatus['sessions']>({
      staying: count,
      moving: count,
      movable: count,
      of: listOf(named('PlannedSessions')),
    }),
    previous: orNull(text),
    retention: objectOf<PlanStatus['retention']>({
      former: texts,
      limit: count,
      overflowing: texts,
      onOverflow: { enum: ['keep', 'move', 'end'] },
    }),
    requirements: listOf(
      objectOf<Element<PlanStatus['requirements']>>({ site: text, range: text, met: flag }),
    ),
    unmet: texts,
    breaks: texts,
    goingBack: objectOf<PlanStatus['goingBack']>({ rollbackTo: orNull(text), barred: texts }),
    road: objectOf<PlanStatus['road']>({
      direction: { enum: ['up', 'down'] },
      notes: listOf(objectOf<Element<PlanStatus['road']['notes']>>({ version: text, notes: text })),
    }),
  }),
  TargetStatus: objectOf<TargetStatus>({
    url: text,
    healthy: orNull(flag),
    lastProbe: orNull(
      objectOf<NonNullable<TargetStatus['lastProbe']>>({
        at: instant,
        ok: flag,
        detail: text,
        durationMs: { type: 'number', minimum: 0 },
      }),
    ),
  }),
  VerdictStatus: objectOf<VerdictStatus>({
    kind: { enum: ['retirable', 'blocked', 'unknown'] },
    text,
    asOf: instant,
    at: orNull(instant),
    reasons: listOf({ type: 'object', additionalProperties: { type: ['string', 'number', 'null'] } }),
  }),
  EventStatus: objectOf<EventStatus>({
    sequence: count,
    id: text,
    at: instant,
    type: text,
    site: orNull(text),
    release: orNull(text),
    from: orNull(text),
    to: orNull(text),
    cause: text,
    hash: orNull(text),
  }),
  KeyRotation: objectOf<KeyRotation>({ keyId: count }),
  PreviewLink: objectOf<PreviewLink>({ site: text, version: text, url: text, until: instant }),
  SessionStatus: objectOf<SessionStatus>({
    id: text,
    bornAt: instant,
    ageMs: count,
    honouredUntil: orNull(instant),
  }),
  ReleaseSessions: objectOf<ReleaseSessions>({
    site: text,
    version: text,
    active: count,
    sessions: listOf(named('SessionStatus')),
    exchangesOpen: count,
    websocketsOpen: count,
    verdict: named('VerdictStatus'),
  }),
  ExplanationStatus: objectOf<ExplanationStatus>({
    text,
    site: orNull(text),
    outcome: { enum: outcomeNames },
    rule: orNull(objectOf<NonNullable<ExplanationStatus['rule']>>({ number: count, name: text })),
    release: orNull(text),
    target: orNull(text),
    error: orNull(text),
    until: orNull(instant),
    token: orNull(
      objectOf<NonNullable<ExplanationStatus['token']>>({
        session: text,
        release: text,
        bornAt: instant,
        issuedAt: instant,
        until: orNull(instant),
        held: flag,
      }),
    ),
    rejected: texts,
    generation: count,
  }),
  ExplainBody: objectOf<ExplainBody>({ cookie: oneOrMore, header: oneOrMore, url: text, method: text }, [
    'cookie',
    'header',
    'url',
    'method',
  ]),
  OrderBody: objectOf<OrderBody>(
    {
      reason: { type: 'string', minLength: 1, maxLength: 500 },
      force: { type: 'boolean' },
      to: { type: 'string', maxLength: 64 },
      ttl: text,
      url: text,
      rate: { type: 'string', pattern: '^\\d+(\\.\\d+)?/s$' },
    },
    ['reason', 'force', 'to', 'ttl', 'url', 'rate'],
  ),
  ProblemJson: objectOf<ProblemJson>({ type: text, title: text, status: count, detail: text, rule: text }, [
    'detail',
    'rule',
  ]),
} as const satisfies Readonly<Record<string, JsonSchema>>

/** The name of a schema. */
export type SchemaName = keyof typeof jsonSchemas
