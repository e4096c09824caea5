// The `amarre` command: its verbs, their options, and what an exit code says. Each verb has a file of its own, loaded
// when it is called.
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import type { ExplainBody } from '../controlplane/admin-protocol-desk.js'
import type { OrderBody } from '../controlplane/admin-protocol.js'
import { productVersion } from '../product.js'
import type { AdminClient } from './admin-client.js'
import { exampleText } from './examples.js'
import { Failure } from './failure.js'
import type { ExitCode } from './failure.js'
import type { PlaceOptions } from './gateway-place.js'
import type { AwaitedState } from './wait.js'
import { endWithReader, processTerminal } from './terminal.js'

const terminal = processTerminal(process.env)
const defaultDirectory = './config'

/** Set by the verb that ran. */
let exitCode: number = 0

type Json = { readonly json?: boolean }
type Cancel = { readonly cancel?: boolean }
type Watch = { readonly watch?: boolean }

const program = new Command('amarre')
  .description('reverse proxy that keeps every session on the release where it began')
  .version(productVersion)
  .exitOverride()
  .showSuggestionAfterError()

program
  .command('start')
  .description('run the gateway until it is told to stop')
  .option('--config <dir>', 'configuration directory', defaultDirectory)
  .action(async ({ config }: { config: string }) => {
    const { start } = await import('../main.js')
    exitCode = await start({ config })
  })

program
  .command('check')
  .description('tell every problem of a configuration, or what would run; exits 1 on an error')
  .argument('[dir]', 'configuration directory', defaultDirectory)
  .option('--json', 'print JSON')
  .action(async (directory: string, { json }: Json) => {
    const { checkConfig } = await import('./check.js')
    const checked = await checkConfig(directory, { json: json === true })
    terminal.out.write(checked.output.endsWith('\n') ? checked.output : `${checked.output}\n`)
    exitCode = checked.exitCode
  })

program
  .command('init')
  .description('write a first configuration to fill in; overwrites nothing')
  .argument('[dir]', 'configuration directory', defaultDirectory)
  .action(async (directory: string) => {
    const { init } = await import('./init.js')
    exitCode = await init(directory, terminal)
  })

asking('status', 'show every release: state, sessions, health, and whether it may be retired')
  .argument('[site]', 'one site only')
  .addOption(new Option('--watch', 'refresh every second').conflicts('json'))
  .option('--json', 'print JSON')
  .action(async (site: string | undefined, options: PlaceOptions & Json & Watch) => {
    const { status, watchStatus } = await import('./status.js')
    const client = await clientOf(options)
    exitCode =
      options.watch === true
        ? await watchStatus(client, terminal, site, interrupted())
        : await status(client, terminal, { ...(site !== undefined && { site }), json: options.json === true })
  })

asking('events', 'show what happened, the newest last')
  .option('--limit <count>', 'how many', wholeNumber, 50)
  .option('--json', 'print JSON, the newest first')
  .action(async (options: PlaceOptions & Json & { limit: number }) => {
    const { events } = await import('./events.js')
    exitCode = await events(await clientOf(options), terminal, options)
  })

asking('plan', 'tell what an activation would do, without doing it')
  .argument('<site>')
  .argument('<version>')
  .option('--json', 'print JSON')
  .action(async (site: string, version: string, options: PlaceOptions & Json) => {
    const { plan } = await import('./plan.js')
    exitCode = await plan(await clientOf(options), terminal, { ...options, site, version })
  })

asking('activate', 'give births to a release at once; the active one drains')
  .argument('<site>')
  .argument('<version>')
  .option('--force', 'even where a target is ill, or data of the active release is at risk')
  .option('--reason <text>', 'why, for the event log')
  .option('--json', 'print JSON')
  .action(async (site: string, version: string, options: PlaceOptions & Json & OrderBody) => {
    const { activate } = await import('./activate.js')
    exitCode = await activate(await clientOf(options), terminal, { ...options, site, version })
  })

asking('rollback', 'give births back to the last good former release')
  .argument('<site>')
  .option('--to <version>', 'an older one, by name')
  .option('--force', 'even where a target is ill, or data of the active release is at risk')
  .option('--reason <text>', 'why, for the event log')
  .option('--json', 'print JSON')
  .action(async (site: string, options: PlaceOptions & Json & OrderBody) => {
    const { rollback } = await import('./rollback.js')
    exitCode = await rollback(await clientOf(options), terminal, { ...options, site })
  })

asking('freeze', 'activate nothing by itself on a site; with "off" let it go on')
  .argument('<site>')
  .addArgument(new Argument('[switch]', '"off" ends it').choices(['on', 'off']).default('on'))
  .option('--reason <text>', 'why, for the event log')
  .option('--json', 'print JSON')
  .action(async (site: string, to: string, options: PlaceOptions & Json & OrderBody) => {
    const { freeze } = await import('./freeze.js')
    exitCode = await freeze(await clientOf(options), terminal, { ...options, site, isFrozen: to === 'on' })
  })

asking('drain', 'take births from a release; they go to the last good former one')
  .argument('<site>')
  .argument('<version>')
  .option('--reason <text>', 'why, for the event log')
  .option('--json', 'print JSON')
  .action(async (site: string, version: string, options: PlaceOptions & Json & OrderBody) => {
    const { drain } = await import('./drain.js')
    exitCode = await drain(await clientOf(options), terminal, { ...options, site, version })
  })

asking('retire', 'end the routing to a release on which nobody is left')
  .argument('<site>')
  .argument('<version>')
  .option('--force', 'announce its end with whoever is on it, at least one idle time ahead')
  .addOption(new Option('--cancel', 'call an announced end off').conflicts('force'))
  .option('--reason <text>', 'why, for the event log')
  .option('--json', 'print JSON')
  .action(async (site: string, version: string, options: PlaceOptions & Json & Cancel & OrderBody) => {
    const { retire } = await import('./retire.js')
    exitCode = await retire(await clientOf(options), terminal, { ...options, site, version })
  })

asking('recall', 'move everybody on a former release to another one that can take them')
  .argument('<site>')
  .argument('<version>')
  .option('--to <version>', 'where to; needed unless it is cancelled')
  .option('--rate <rate>', 'sessions a second at most, as 2/s')
  .option('--force', 'at any safe request, not at the next page only; even where a target is ill')
  .addOption(new Option('--cancel', 'end a recall').conflicts(['to', 'rate', 'force']))
  .option('--reason <text>', 'why, for the event log')
  .option('--json', 'print JSON')
  .action(async (site: string, version: string, options: PlaceOptions & Json & Cancel & OrderBody) => {
    const { recall } = await import('./recall.js')
    exitCode = await recall(await clientOf(options), terminal, { ...options, site, version })
  })

asking(
  'wait',
  'block until a release is retirable; exits 0 then, 4 when time is up, 3 when nothing certain can be said, 2 without such a release',
)
  .argument('<site>')
  .argument('<version>')
  .addOption(
    new Option('--for <state>', 'what to wait for')
      .choices(['retirable', 'active', 'retired'])
      .default('retirable'),
  )
  .option('--timeout <duration>', 'as 30s, 10m or 2h; without it, for ever', duration)
  .action(
    async (
      site: string,
      version: string,
      options: PlaceOptions & { for: AwaitedState; timeout?: number },
    ) => {
      const { wait } = await import('./wait.js')
      const awaited = { site, version, for: options.for, timeoutMs: options.timeout ?? Infinity }
      exitCode = await wait(await clientOf(options), terminal, awaited)
    },
  )

asking('preview', 'print a link by which one browser sees a release before it is open to all')
  .argument('<site>')
  .argument('<version>')
  .option('--ttl <duration>', 'how long link and preview last, as 30m or 2d; at most 7d', '1h')
  .option('--url <address>', 'where the browser begins; by listeners and hosts unless given')
  .option('--reason <text>', 'why, for the event log')
  .option('--json', 'print JSON')
  .action(async (site: string, version: string, options: PlaceOptions & Json & OrderBody) => {
    const { preview } = await import('./preview.js')
    exitCode = await preview(await clientOf(options), terminal, { ...options, site, version })
  })

asking('sessions', 'show who keeps a release alive')
  .argument('<site>')
  .argument('<version>')
  .option('--limit <count>', 'how many', wholeNumber, 50)
  .option('--json', 'print JSON')
  .action(async (site: string, version: string, options: PlaceOptions & Json & { limit: number }) => {
    const { sessions } = await import('./sessions.js')
    exitCode = await sessions(await clientOf(options), terminal, { ...options, site, version })
  })

asking('explain', "tell where a request goes, by which rule and until when; without more, a newcomer's")
  .argument('<site>')
  .option('--cookie <name=value>', 'a cookie that it carries; repeatable', listed)
  .option('--header <name: value>', 'a header that it carries; repeatable', listed)
  .option('--url <address>', 'what it asks for: an address, or a path of the site')
  .option('--method <method>', 'GET unless given')
  .option('--json', 'print JSON')
  .action(async (site: string, options: PlaceOptions & Json & ExplainBody) => {
    const { explain } = await import('./explain.js')
    exitCode = await explain(await clientOf(options), terminal, { ...options, site })
  })

const keys = program.command('keys').description('the keys that sign affinity tokens')

asking('rotate', 'add a key and sign with it; no visitor notices', keys)
  .option('--reason <text>', 'why, for the event log')
  .option('--json', 'print JSON')
  .action(async (options: PlaceOptions & Json & OrderBody) => {
    const { rotateKeys } = await import('./keys.js')
    exitCode = await rotateKeys(await clientOf(options), terminal, options)
  })

/** A verb that asks a running gateway. */
function asking(name: string, description: string, parent: Command = program): Command {
  return parent
    .command(name)
    .description(description)
    .addHelpText('after', exampleText(name))
    .hook('preAction', () => endWithReader(terminal.out))
    .option('--config <dir>', 'configuration directory of the gateway', defaultDirectory)
    .option('--admin <url>', "the gateway's admin address, instead of what the configuration says")
    .option('--token-file <file>', 'file with the admin token, instead of what the configuration says')
}

async function clientOf(options: PlaceOptions): Promise<AdminClient> {
  const [{ AdminClient: Client }, { findGateway }] = await Promise.all([
    import('./admin-client.js'),
    import('./gateway-place.js'),
  ])
  return new Client(await findGateway(options, process.env))
}

/** The words of the configuration, in short: a number and its unit. */
function duration(text: string): number {
  const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
  const [, count = '', unit = ''] = /^(\d+)(ms|s|m|h|d)$/.exec(text) ?? []
  const unitMs = units[unit]
  if (unitMs === undefined) throw new InvalidArgumentError('allowed: a duration as 500ms, 30s, 10m, 2h or 7d')
  return Number(count) * unitMs
}

function listed(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text]
}

function wholeNumber(text: string): number {
  if (!/^[1-9]\d{0,2}$|^1000$/.test(text)) throw new InvalidArgumentError('allowed: 1 to 1000')
  return Number(text)
}

/** Aborted by Ctrl-C and by an orderly kill. */
function interrupted(): AbortSignal {
  const controller = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => controller.abort())
  return controller.signal
}

/** commander has printed its own errors; help and version are none. */
function failedWith(error: unknown): ExitCode {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
  if (error instanceof Failure) {
    terminal.err.write(`amarre: ${error.message}\n`)
    return error.exitCode
  }
  terminal.err.write(`amarre: ${error instanceof Error ? error.stack : String(error)}\n`)
  return 1
}

/** Runs the verb that the command line names; what it says is the exit code. */
export async function runCommand(): Promise<void> {
  try {
    await program.parseAsync()
  } catch (error) {
    exitCode = failedWith(error)
  }
  process.exitCode = exitCode
}
