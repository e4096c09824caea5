// The shop's routes: what each address does with a visitor's basket and what is answered. Knows nothing of sockets,
// and nothing of what may stand in front of it.
import { pageAnswer, assetAnswer, plainAnswer, seeOther, type Answer } from './answer.js'
import { assetPaths, script, styleSheet } from './assets.js'
import { Baskets, type Basket } from './baskets.js'
import { productOf } from './catalogue.js'
import type { Html } from './html.js'
import { basketContent, loginContent, page, refusalContent, shopContent, type Visit } from './pages.js'
import type { Release } from './release.js'

/** One request, as far as the shop is concerned. */
export interface ShopRequest {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly form: URLSearchParams
  /** What the cookie `shopsid` says. */
  readonly basketId: string | undefined
  readonly isSecure: boolean
  /** It came from this machine, and no proxy passed it on. */
  readonly isFromOperator: boolean
  readonly proxyNotes: ReadonlyMap<string, string>
}

type Route = (visit: Visit, request: ShopRequest, now: number) => Answer

const messages: ReadonlyMap<string, string> = new Map(
  Object.entries({
    added: 'It is in your basket.',
    removed: 'One less in your basket.',
    ordered: 'Thank you for your order. It leaves with the next tide.',
    wrapped: 'Thank you for your order. It leaves with the next tide, wrapped as a gift.',
    in: 'Welcome aboard.',
    out: 'You are logged out. From here on you are a new visitor.',
  }),
)

function basketCookie(value: string, isSecure: boolean): string {
  const age = value === '' ? '; Max-Age=0' : ''
  return `shopsid=${value}; Path=/; HttpOnly; SameSite=Lax${age}${isSecure ? '; Secure' : ''}`
}

/** One release of the shop with the baskets of this process. */
export class Shop {
  readonly #release: Release
  readonly #baskets = new Baskets()
  readonly #routes: Map<string, Route>
  #isIll = false

  constructor(release: Release) {
    this.#release = release
    const assets = assetPaths(release.version)
    this.#routes = new Map<string, Route>([
      ['GET /', (visit) => this.#page(visit, 'Shop', shopContent(visit))],
      ['GET /basket', (visit) => this.#page(visit, 'Basket', basketContent(visit))],
      ['GET /login', (visit) => this.#page(visit, 'Log in', loginContent())],
      ['POST /login', (visit, request, now) => this.#logIn(visit, request, now)],
      ['GET /logout', (visit, request) => this.#logOut(visit, request)],
      ['POST /logout', (visit, request) => this.#logOut(visit, request)],
      ['POST /basket/add', (visit, request, now) => this.#add(visit, request, now)],
      ['POST /basket/remove', (visit, request) => this.#remove(visit, request)],
      ['POST /checkout', (visit, request) => this.#order(visit, request)],
      [`GET ${assets.css}`, () => assetAnswer('text/css', styleSheet(release))],
      [`GET ${assets.js}`, () => assetAnswer('text/javascript', script(release))],
      ['GET /healthz', () => (this.#isIll ? plainAnswer(503, 'ill') : plainAnswer(200, 'ok'))],
      ['POST /admin/health', (_, request) => this.#setHealth(request)],
    ])
    if (release.can.express) {
      this.#routes.set('POST /express', (_, { form }) =>
        productOf(form.get('product')) ? seeOther('/?done=ordered') : seeOther('/'),
      )
    }
  }

  /** How many baskets this process holds. */
  get basketCount(): number {
    return this.#baskets.size
  }

  /** What the shop says to a request. */
  answer(request: ShopRequest, now: number): Answer {
    const visit = this.#visitOf(request, now)
    const method = request.method === 'HEAD' ? 'GET' : request.method
    const route = this.#routes.get(`${method} ${request.path}`)
    if (route) return route(visit, request, now)
    const content = refusalContent('Nothing here', `Release ${this.#release.version} has no such page.`)
    return this.#page(visit, 'Nothing here', content, 404)
  }

  #visitOf(request: ShopRequest, now: number): Visit {
    const basket = this.#baskets.find(request.basketId, now)
    return {
      release: this.#release,
      path: request.path,
      basket,
      isBasketLost: request.basketId !== undefined && basket === null,
      message: messages.get(request.query.get('done') ?? '') ?? null,
      proxyNotes: request.proxyNotes,
    }
  }

  #page(visit: Visit, title: string, content: Html, status = 200): Answer {
    return pageAnswer(page(visit, title, content), status)
  }

  #seeOtherWith(basket: Basket, location: string, request: ShopRequest): Answer {
    return seeOther(location, { 'Set-Cookie': basketCookie(basket.id, request.isSecure) })
  }

  #logIn(visit: Visit, request: ShopRequest, now: number): Answer {
    const visitor = request.form.get('visitor')?.trim().slice(0, 40) ?? ''
    if (visitor === '') return seeOther('/login')
    const basket = this.#baskets.reopen(visit.basket, now)
    basket.visitor = visitor
    return this.#seeOtherWith(basket, '/?done=in', request)
  }

  /** Says that the session is over, by a header that a gateway may heed. */
  #logOut(visit: Visit, request: ShopRequest): Answer {
    if (visit.basket) this.#baskets.close(visit.basket)
    return seeOther('/?done=out', {
      'Set-Cookie': basketCookie('', request.isSecure),
      'Amarre-Session': 'end',
    })
  }

  #add(visit: Visit, request: ShopRequest, now: number): Answer {
    const product = productOf(request.form.get('product'))
    if (!product) return seeOther('/')
    const basket = visit.basket ?? this.#baskets.open(now)
    basket.lines.set(product.id, Math.min((basket.lines.get(product.id) ?? 0) + 1, 99))
    return this.#seeOtherWith(basket, '/?done=added', request)
  }

  #remove({ basket }: Visit, { form }: ShopRequest): Answer {
    const product = productOf(form.get('product'))
    if (!basket || !product) return seeOther('/basket')
    const quantity = (basket.lines.get(product.id) ?? 0) - 1
    if (quantity > 0) basket.lines.set(product.id, quantity)
    else basket.lines.delete(product.id)
    return seeOther('/basket?done=removed')
  }

  #order({ basket, release }: Visit, { form }: ShopRequest): Answer {
    if (!basket || basket.lines.size === 0) return seeOther('/basket')
    basket.lines.clear()
    const isWrapped = release.can.giftWrap && form.get('giftWrap') === 'yes'
    return seeOther(isWrapped ? '/?done=wrapped' : '/?done=ordered')
  }

  #setHealth({ isFromOperator, query }: ShopRequest): Answer {
    if (!isFromOperator) return plainAnswer(403, 'only from this machine, and not through a proxy')
    const state = query.get('state')
    if (state !== 'ill' && state !== 'well') return plainAnswer(400, 'state must be "ill" or "well"')
    this.#isIll = state === 'ill'
    return plainAnswer(200, state)
  }
}
