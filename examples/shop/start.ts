// What `npm start` runs: the sample application's processes and, in front of them, the gateway. Says what to open and
// what to try once the gateway is ready; ends with the gateway, by its exit code.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as later } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { gatewayAddresses, wantedIn, type Address } from './sample-config.js'
import { ShopFleet } from './shop-fleet.js'

const gatewayCommand = fileURLToPath(new URL('../../gateway/cli/amarre.js', import.meta.url))
const sampleConfig = fileURLToPath(new URL('../../../config', import.meta.url))
const readyPollMs = 200
/** How long a release may take to come up before the gateway counts as started without one. */
const patienceMs = 10_000
/** Terminal and npm may both pass one Ctrl-C on: what comes again so soon is the same one. */
const repeatedSignalMs = 1000

function configDirectory(): string {
  const { values } = parseArgs({ options: { config: { type: 'string', default: sampleConfig } } })
  return values.config
}

function releasesIn(config: string): string {
  return join(config, 'sites', 'shop', 'releases')
}

/** The same address as a client on this machine reaches it. */
function localUrl({ host, port }: Address): string {
  const isAny = host === '0.0.0.0' || host === '[::]' || host === ''
  return `http://${isAny ? '127.0.0.1' : host}:${port}`
}

async function isFree({ host, port }: Address): Promise<boolean> {
  const probe = createServer()
  try {
    probe.listen(port, host.replace(/^\[(.*)\]$/, '$1'))
    await once(probe, 'listening')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return false
    throw error
  }
  probe.close()
  await once(probe, 'close')
  return true
}

/** A sentence for each port that somebody else holds. */
async function portProblems(http: Address, admin: Address, config: string): Promise<readonly string[]> {
  const problems: string[] = []
  if (!(await isFree(http))) problems.push(takenPort(http.port, 'the gateway', 'AMARRE_LISTEN_HTTP'))
  if (!(await isFree(admin)))
    problems.push(takenPort(admin.port, "the gateway's admin", 'AMARRE_ADMIN_LISTEN'))
  for (const { version, port } of (await wantedIn(releasesIn(config))).targets) {
    if (await isFree({ host: '127.0.0.1', port })) continue
    problems.push(
      `port ${port} is in use: release "${version}" of the sample shop needs it; stop what listens there`,
    )
  }
  return problems
}

function takenPort(port: number, user: string, variable: string): string {
  const example = `${variable}=127.0.0.1:${port + 1} npm start`
  return `port ${port} is in use: ${user} needs it; stop what listens there, or choose another, as in ${example}`
}

function startGateway(config: string): ChildProcess {
  const args = [gatewayCommand, 'start', '--config', config]
  const gateway = spawn(process.execPath, args, { detached: true, stdio: 'inherit' })
  let lastSignalAt = -Infinity
  const passOn = (signal: NodeJS.Signals) => {
    const isRepeated = performance.now() - lastSignalAt < repeatedSignalMs
    if (isRepeated) return
    lastSignalAt = performance.now()
    gateway.kill(signal === 'SIGHUP' ? 'SIGTERM' : signal)
  }
  process.on('SIGINT', passOn)
  process.on('SIGTERM', passOn)
  process.on('SIGHUP', passOn)
  return gateway
}

/** The status of an answer, or 0 when nobody answers yet. */
async function statusOf(url: string): Promise<number> {
  try {
    const { status } = await fetch(url, { signal: AbortSignal.timeout(2000) })
    return status
  } catch {
    return 0
  }
}

/** Ready is the gateway before it knows its releases: a moment later the first of them takes visitors. */
async function takesVisitors(url: string, adminUrl: string, isPatient: boolean): Promise<boolean> {
  if ((await statusOf(`${adminUrl}/readyz`)) !== 200) return false
  // A path that begins no session.
  const status = await statusOf(`${url}/robots.txt`)
  return !isPatient || (status > 0 && status < 500)
}

async function welcomeWhenReady(http: Address, admin: Address, ended: AbortSignal): Promise<void> {
  const patientUntil = performance.now() + patienceMs
  while (!ended.aborted) {
    const isPatient = performance.now() < patientUntil
    if (await takesVisitors(localUrl(http), localUrl(admin), isPatient)) {
      return console.log(welcome(localUrl(http), localUrl(admin)))
    }
    await later(readyPollMs)
  }
}

function welcome(url: string, adminUrl: string): string {
  return `
  Amarre is ready.

    the sample shop    ${url}
    admin, metrics     ${adminUrl}/metrics

  What to try
    1. Open the shop, log in, and put something in your basket.
    2. In another terminal, deploy a release by dropping one file:
         cp config/samples/1.2.0.yaml config/sites/shop/releases/
    3. Reload: you stay on your release, basket and all.
    4. Open a private window: a new visitor boards the newest release.
    5. See who is where, and which release may be retired:
         npx amarre status --watch
    6. Log out: the session ends, and the next page comes from the newest release.

  Ctrl-C ends all of it.
`
}

async function run(): Promise<number> {
  const config = configDirectory()
  const { http, admin } = await gatewayAddresses(config)
  const problems = await portProblems(http, admin, config)
  for (const problem of problems) console.error(problem)
  if (problems.length > 0) return 1
  const fleet = new ShopFleet(releasesIn(config))
  await fleet.start()
  const gateway = startGateway(config)
  const ended = new AbortController()
  const [[code]] = await Promise.all([
    once(gateway, 'exit').finally(() => ended.abort()) as Promise<[number | null]>,
    welcomeWhenReady(http, admin, ended.signal),
  ])
  await fleet.stop()
  return code ?? 1
}

process.exitCode = await run()
