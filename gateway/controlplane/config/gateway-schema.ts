// The schema of gateway.yaml: every key with its default and sentence, and the step from its words to
// GatewaySettings. Knows nothing of files, positions or the environment.
import { z } from 'zod'
import type { AccessLog, GatewaySettings } from './gateway-settings.js'
import { listen, toListen } from './listen-words.js'
import { addressBlock, listenAddress, viaName, webUrl } from './network-words.js'
import { duration, filePath, longestTimerMs, oneOf, percentage, size, text, wholeNumber } from './words.js'

const KiB = 1024
const GiB = 1024 ** 3

const admin = z.strictObject({
  listen: listenAddress()
    .prefault('127.0.0.1:9901')
    .describe('Where metrics, API and dashboard are served. Reading is open, every change needs the token.'),
  tokenFile: filePath()
    .nullable()
    .prefault(null)
    .describe(
      'The file with the bearer token, one line; `null`: one is generated under the state directory.',
    ),
})

const log = z.strictObject({
  level: oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent')
    .prefault('info')
    .describe('The least important lines that are written.'),
  access: z
    .union(
      [oneOf('off', 'errors', 'all'), percentage()],
      '"off", "errors", "all" or a percentage such as "5%"',
    )
    .prefault('off')
    .describe('Which requests are logged: none, failed ones, all, or a sampled share.'),
})

const webhook = z.strictObject({
  url: webUrl().describe('Where events are posted.'),
  secretFile: filePath().describe('The file with the secret that signs each event.'),
  events: z
    .union(
      [
        z.literal('all'),
        z.array(text('event name', /^[a-z][a-z.-]*$/, 'an event\'s name such as "retired"')).min(1),
      ],
      '"all", or a list of event names such as [retired]',
    )
    .prefault('all')
    .describe('Which events are posted.'),
})

const timer = { max: longestTimerMs } as const

const limits = z.strictObject({
  requestHead: size(KiB, 1024 * KiB)
    .prefault('16KiB')
    .describe('The longest request line and headers; beyond: 431.'),
  requestBody: size(0, 1024 * 1024 * GiB)
    .prefault('1GiB')
    .describe('The longest request body; beyond: 413.'),
  headerTimeout: duration({ min: 100, ...timer })
    .prefault('10s')
    .describe('How long a client may take to send its request head.'),
  upstreamTimeout: duration({ min: 10, ...timer, words: ['never'] })
    .prefault('60s')
    .describe('How long a release may take until its response head, and then between two parts of the body.'),
  connectTimeout: duration({ min: 10, ...timer })
    .prefault('2s')
    .describe('How long connecting to a target may take.'),
  exchangeTimeout: duration({ min: 100, ...timer, words: ['never'] })
    .prefault('never')
    .describe(
      'How long a request may take from its head to the end of its answer; beyond: 504, or the answer is cut. Event streams and WebSockets apart.',
    ),
  connections: z
    .union([z.literal('auto'), wholeNumber(1, 100_000_000)], '"auto" or a whole number from 1 to 100000000')
    .prefault('auto')
    .describe(
      'Most client connections at once, divided evenly over the workers; more are closed at once. `auto`: half of the files that each worker may open, which also bounds any number.',
    ),
  connectionsPerAddress: z
    .union(
      [z.literal('unlimited'), wholeNumber(1, 100_000_000)],
      '"unlimited" or a whole number from 1 to 100000000',
    )
    .prefault('unlimited')
    .describe(
      'Most connections of one client address, `trustedProxies` apart; more are closed at once. Whole offices share an address: hundreds, rather than tens.',
    ),
  exchanges: z
    .union(
      [z.literal('unlimited'), wholeNumber(1, 100_000_000)],
      '"unlimited" or a whole number from 1 to 100000000',
    )
    .prefault('unlimited')
    .describe(
      'Most requests under way at once, event streams and WebSockets among them, divided evenly over the workers; beyond: 503 with Retry-After. Visitors without a session are refused from four fifths on.',
    ),
  overloadDelay: duration({ min: 20, ...timer, words: ['never'] })
    .prefault('500ms')
    .describe(
      'How late a worker may be, over about a second, before it refuses visitors without a session (503 with Retry-After); at twice that it refuses everybody.',
    ),
  minimalThroughput: size(0, GiB)
    .prefault('512B')
    .describe(
      'The least that a request body may bring in a second, over half a minute of which the gateway reads all the time; less: 408.',
    ),
  stalledClient: duration({ min: 100, ...timer })
    .prefault('60s')
    .describe('How long a client may take nothing of its answer; then its connection is cut.'),
  sessions: wholeNumber(1, 1_000_000_000)
    .prefault(10_000_000)
    .describe('Most confirmed sessions that are kept one by one; beyond, a release keeps bounds only.'),
  exitDelay: duration({ ...timer, words: ['immediately'] })
    .prefault('0s')
    .describe('How long the gateway goes on accepting after SIGTERM, while it already says it is not ready.'),
  drainOnExit: duration({ ...timer, words: ['immediately'] })
    .prefault('30s')
    .describe('How long exchanges may take to finish once the listeners are closed.'),
})

/** The words of gateway.yaml. Every key is optional. */
export const gatewaySchema = z
  .strictObject({
    $schema: z.string().optional().describe('Where an editor finds the JSON Schema; otherwise ignored.'),
    listen: listen.prefault({}).describe('The public listeners.'),
    admin: admin.prefault({}).describe('The admin listener.'),
    workers: z
      .union([z.literal('auto'), wholeNumber(1, 256)], '"auto" or a whole number from 1 to 256')
      .prefault('auto')
      .describe('Worker processes; `auto`: one for each processor.'),
    state: z
      .strictObject({
        directory: filePath('folder')
          .prefault('./state')
          .describe('Where sessions, releases and keys are kept, relative to the working directory.'),
      })
      .prefault({})
      .describe('What survives a restart.'),
    keys: z
      .strictObject({
        file: filePath()
          .nullable()
          .prefault(null)
          .describe(
            'The key ring of the tokens; `null`: one is generated under the state directory and kept.',
          ),
      })
      .prefault({})
      .describe('What signs the tokens.'),
    watch: oneOf('notify', 'poll')
      .prefault('notify')
      .describe('How changes of this directory are seen; `poll` for file systems without notification.'),
    trustedProxies: z
      .array(addressBlock(), 'a list such as [10.0.0.0/8]')
      .prefault([])
      .describe('From whom `X-Forwarded-*` and `Forwarded` are taken over.'),
    via: viaName()
      .nullable()
      .prefault(null)
      .describe('The name that the gateway adds to `Via` of requests and answers; `null`: it adds none.'),
    log: log.prefault({}).describe('What is written to the log.'),
    webhooks: z
      .array(webhook, 'a list of maps of "url", "secretFile" and "events"')
      .prefault([])
      .describe('Who is told of events.'),
    limits: limits.prefault({}).describe('Bounds of requests, connections and memory.'),
  })
  .describe('The process: listeners, workers, admin, keys, state, trusted proxies, limits and log.')

/** What gatewaySchema gives. */
export type GatewayWords = z.output<typeof gatewaySchema>

function accessOf(words: GatewayWords['log']['access']): AccessLog {
  if (words === 'errors') return { kind: 'errors' }
  if (words === 'off') return { kind: 'share', share: 0 }
  if (words === 'all') return { kind: 'share', share: 1 }
  return { kind: 'share', share: words }
}

/** The settings that validated words stand for. */
export function toGatewaySettings(words: GatewayWords): GatewaySettings {
  const { limits: bounds } = words
  return {
    listen: toListen(words.listen),
    admin: words.admin,
    workers: words.workers,
    state: words.state,
    keys: words.keys,
    watch: words.watch,
    trustedProxies: words.trustedProxies,
    via: words.via,
    log: { level: words.log.level, access: accessOf(words.log.access) },
    webhooks: words.webhooks.map((hook) => ({ ...hook, events: hook.events === 'all' ? null : hook.events })),
    limits: {
      requestHeadBytes: bounds.requestHead,
      requestBodyBytes: bounds.requestBody,
      headerTimeoutMs: bounds.headerTimeout,
      upstreamTimeoutMs: bounds.upstreamTimeout,
      connectTimeoutMs: bounds.connectTimeout,
      exchangeTimeoutMs: bounds.exchangeTimeout,
      connections: bounds.connections === 'auto' ? Infinity : bounds.connections,
      connectionsPerAddress:
        bounds.connectionsPerAddress === 'unlimited' ? Infinity : bounds.connectionsPerAddress,
      exchanges: bounds.exchanges === 'unlimited' ? Infinity : bounds.exchanges,
      overloadDelayMs: bounds.overloadDelay,
      bodyBytesPerS: bounds.minimalThroughput,
      stalledClientMs: bounds.stalledClient,
      sessions: bounds.sessions,
      exitDelayMs: bounds.exitDelay,
      drainOnExitMs: bounds.drainOnExit,
    },
  }
}
