// Published programs that know nothing of the gateway, in two versions behind it, and a browser in front: whoever is in
// the middle of something when the next version is deployed finishes it on the version where he began.
import type { BrowserContext, Page } from 'playwright-core'
import t from 'tap'
import { startBrowser, whyNoBrowser } from '../fixtures/browser.js'
import { siteWords } from '../fixtures/config-place.js'
import { startGateway, type Gateway } from '../fixtures/gateway.js'
import type { Owner } from '../fixtures/owner.js'
import { startProgram } from '../fixtures/programs/program.js'
import { until } from '../fixtures/until.js'

const idleTimeoutMs = 3_000
const promiseMs = idleTimeoutMs * (1 + 1 / 8)
const limitMs = 30_000

/** A gateway with one site, and the origin under which the browser finds it: `*.localhost` is the loopback. */
async function openSite(t: Owner, name: string, healthPath: string): Promise<[Gateway, string]> {
  const words = siteWords({
    hosts: [`${name}.localhost`],
    session: { idleTimeout: `${idleTimeoutMs}ms` },
    health: { path: healthPath },
  })
  const gateway = await startGateway({ t, config: { 'sites/shop/site.yaml': words } })
  return [gateway, `http://${name}.localhost:${gateway.port}`]
}

t.test('programs of others, in a browser', { skip: whyNoBrowser() }, async (t) => {
  const browser = await startBrowser(t)
  // Most of their time is waiting for sessions to idle.
  t.jobs = 2

  /** A visitor with cookies of his own. */
  async function visitor(): Promise<BrowserContext> {
    const context = await browser.newContext()
    context.setDefaultTimeout(limitMs)
    return context
  }

  const together = { buffered: true }
  t.test('an OpenID provider: who is signing in during a deployment signs in', together, async (t) => {
    const [gateway, origin] = await openSite(t, 'sign-in', '/.well-known/openid-configuration')
    const deploy = async (alias: string, version: string): Promise<void> => {
      const program = await startProgram(t, 'sign-in', alias, origin)
      await gateway.deploy(version, [program.url])
    }
    await deploy('oidc-provider-8.4', '8.4.6')
    const early = await openTab(await visitor(), origin)
    await early.ask('login consent')
    t.match(await early.page.title(), 'Sign-in')
    await deploy('oidc-provider-8.8', '8.8.1')

    t.same(await early.signIn('early'), { version: '8.4.6', account: 'early' })
    const late = await openTab(await visitor(), origin)
    await late.ask('none')
    t.match(late.page.url(), /error=login_required/, 'somebody else is not signed in there')
    await late.ask('login consent')
    t.same(await late.signIn('late'), { version: '8.8.1', account: 'late' })
    await early.ask('none')
    t.same(await early.redeem(), { version: '8.4.6', account: 'early' }, 'still signed in, on his version')
    await late.ask('none')
    t.same(await late.redeem(), { version: '8.8.1', account: 'late' })

    t.equal((await gateway.release('8.4.6'))?.state, 'draining')
    await early.page.context().close()
    await gateway.waitForRelease('8.4.6', ({ state }) => state === 'retired', { limitMs })
    await late.ask('none')
    t.same(await late.redeem(), { version: '8.8.1', account: 'late' })
  })

  t.test('socket.io: connections stay, come back and are recovered where they began', together, async (t) => {
    const [gateway, origin] = await openSite(t, 'chat', '/healthz')
    const deploy = async (alias: string, version: string): Promise<void> => {
      const program = await startProgram(t, 'chat', alias)
      await gateway.deploy(version, [program.url])
    }
    await deploy('socket.io-4.7', '4.7.5')
    const [upgrading, polling] = await Promise.all([
      openChat(await visitor(), `${origin}/`, 'websocket'),
      openChat(await visitor(), `${origin}/?polling`, 'polling'),
    ])
    await gateway.waitForRelease('4.7.5', ({ websocketsOpen }) => websocketsOpen === 1)
    await deploy('socket.io-4.8', '4.8.3')
    const late = await openChat(await visitor(), `${origin}/`, 'websocket')
    const drainsSince = performance.now()

    await until('every token of a page has idled', () => performance.now() - drainsSince > promiseMs)
    const all = { upgrading, polling, late }
    for (const chat of Object.values(all)) await chat.say('hello')
    for (const chat of Object.values(all)) await chat.comeBack()
    for (const chat of Object.values(all)) await chat.say('again')
    for (const [name, chat] of Object.entries(all)) {
      const version = name === 'late' ? '4.8.3' : '4.7.5'
      const { welcomes, heard, transports, errors } = await chat.seen()
      t.same(heard, [`hello ${version}`, `again ${version}`], `${name} is answered by its version`)
      t.match(welcomes, [{ version, recovered: false }], `${name} began there`)
      t.ok(await chat.isRecovered(), `${name} found its connection as it left it`)
      const once = name === 'polling' ? ['polling'] : ['polling', 'websocket']
      t.same(transports, [...once, ...once], `${name} polls, then upgrades where it may`)
      t.same(errors, [])
      t.match(await chat.bundle(), `Socket.IO v${version}`, `${name} is given the program of its version`)
    }

    t.equal((await gateway.release('4.7.5'))?.state, 'draining')
    await upgrading.leave()
    await polling.say('alone')
    t.equal((await gateway.release('4.7.5'))?.state, 'draining', 'one is left')
    await polling.leave()
    await gateway.waitForRelease('4.7.5', ({ state }) => state === 'retired', { limitMs })
    await late.say('on')
    t.same((await late.seen()).errors, [])
  })
})

// -- what a visitor of the OpenID provider does -----------------------------------------------------------------------

/** Who answered, and whom it takes the visitor for. */
interface Account {
  readonly version: string
  readonly account: string
}

/** A tab that asks the provider now and then, as a page that renews itself does, so that its session does not idle. */
async function openTab(context: BrowserContext, origin: string) {
  await context.addInitScript('setInterval(() => fetch("/jwks").then((keys) => keys.text()), 250)')
  const page = await context.newPage()
  return {
    page,
    /** Asks for a code; a form where there is something to be asked first. */
    async ask(prompt: string): Promise<void> {
      const words = { client_id: 'shop', response_type: 'code', scope: 'openid', prompt }
      await page.goto(`${origin}/auth?${String(new URLSearchParams(words))}`)
    },
    async signIn(account: string): Promise<Account> {
      await page.fill('input[name=login]', account)
      await page.fill('input[name=password]', 'any')
      await page.click('button[type=submit]')
      await page.click('button[autofocus]:has-text("Continue")')
      await page.waitForURL(/callback/)
      return this.redeem()
    },
    /** Gives the code for tokens, and asks whose they are. */
    async redeem(): Promise<Account> {
      const code = new URL(page.url()).searchParams.get('code') ?? 'none'
      return page.evaluate(redeemInPage, { code, redirectUri: `${origin}/callback` })
    },
  }
}

/** Runs in the page. */
async function redeemInPage({ code, redirectUri }: { code: string; redirectUri: string }): Promise<Account> {
  const words = {
    grant_type: 'authorization_code',
    code,
    redirect_uri: redirectUri,
    client_id: 'shop',
    client_secret: 'between shop and provider',
  }
  const given = await fetch('/token', { method: 'POST', body: new URLSearchParams(words) })
  const { access_token: token } = (await given.json()) as { access_token: string }
  const answer = await fetch('/me', { headers: { authorization: `Bearer ${token}` } })
  const { sub } = (await answer.json()) as { sub: string }
  return { version: answer.headers.get('x-served-by') ?? '', account: sub }
}

// -- what a visitor of the chat does ----------------------------------------------------------------------------------

/** What the page keeps of what happened to it; see `test/fixtures/programs/chat.ts`. */
interface Seen {
  readonly welcomes: readonly { readonly version: string; readonly recovered: boolean }[]
  readonly heard: readonly string[]
  readonly transports: readonly string[]
  readonly errors: readonly string[]
}

async function openChat(context: BrowserContext, url: string, transport: 'polling' | 'websocket') {
  const page: Page = await context.newPage()
  const isConnected = (): Promise<unknown> =>
    page.waitForFunction(`socket.connected && seen.transport === '${transport}' && seen.welcomes.length > 0`)
  await page.goto(url)
  await isConnected()
  return {
    /** Says something and waits until it is acknowledged. */
    say: (text: string): Promise<unknown> =>
      page.evaluate(`socket.timeout(${limitMs}).emitWithAck('say', '${text}')`),
    /** Loses its connection, and finds its own way back. */
    async comeBack(): Promise<void> {
      await page.evaluate(`seen.transport = ''; socket.io.engine.close()`)
      await isConnected()
    },
    seen: (): Promise<Seen> => page.evaluate('seen'),
    isRecovered: (): Promise<boolean> => page.evaluate('socket.recovered'),
    bundle: (): Promise<string> =>
      page.evaluate(
        `fetch('/socket.io/socket.io.js').then((file) => file.text()).then((text) => text.slice(0, 40))`,
      ),
    leave: (): Promise<void> => context.close(),
  }
}
