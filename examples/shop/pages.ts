// The pages of the shop: from what is known of a visit to HTML. Works without any script. Decides nothing.
import { assetPaths } from './assets.js'
import { articleCount, type Basket } from './baskets.js'
import { price, productOf, products, type Product } from './catalogue.js'
import { Html, html, type HtmlPart } from './html.js'
import type { Release } from './release.js'

/** What every page is made from. */
export interface Visit {
  readonly release: Release
  readonly path: string
  readonly basket: Basket | null
  /** A cookie of ours came whose basket this process does not have. */
  readonly isBasketLost: boolean
  /** What the visitor just did, in words. */
  readonly message: string | null
  /** What a proxy in front said of this request, by header. */
  readonly proxyNotes: ReadonlyMap<string, string>
}

function link(visit: Visit, path: string, text: string): Html {
  return html`<li>
    <a href="${path}" ${visit.path === path && new Html('aria-current="page"')}>${text}</a>
  </li>`
}

function visitorPart({ basket }: Visit): Html {
  if (!basket?.visitor) return html`<li><a href="/login">Log in</a></li>`
  return html`<li>
    <form class="row" method="post" action="/logout">
      <span>${basket.visitor}</span> <button>Log out</button>
    </form>
  </li>`
}

function masthead(visit: Visit): Html {
  return html`<header class="mast">
    <div class="wrap">
      <a class="mark" href="/">The Chandlery</a>
      <span class="badge">Release ${visit.release.version}</span>
      <nav aria-label="Shop">
        <ul>
          ${link(visit, '/', 'Shop')} ${link(visit, '/basket', `Basket (${articleCount(visit.basket)})`)}
          ${visitorPart(visit)}
        </ul>
      </nav>
    </div>
  </header>`
}

function notes(visit: Visit): HtmlPart {
  return [
    visit.message !== null && html`<p class="note" role="status">${visit.message}</p>`,
    visit.isBasketLost &&
      html`<p class="note" role="alert">
        <strong>Your basket is not here.</strong> Your cookie names a basket that this process does not have:
        it was kept by another process, or is over.
      </p>`,
  ]
}

function footer({ release, proxyNotes }: Visit): Html {
  const told = [...proxyNotes].map(
    ([name, value]) =>
      html`<dt>${name}</dt>
        <dd>${value}</dd>`,
  )
  return html`<footer>
    <div class="wrap">
      <dl>
        <dt>Served by release</dt>
        <dd>${release.version}</dd>
        <dt>Process</dt>
        <dd>${release.name} (${process.pid})</dd>
        ${told}
        <dt>Live</dt>
        <dd id="live">needs a script</dd>
      </dl>
    </div>
  </footer>`
}

/** A whole page around its content. */
export function page(visit: Visit, title: string, content: Html): string {
  const assets = assetPaths(visit.release.version)
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${title} · The Chandlery ${visit.release.version}</title>
        <link rel="icon" href="data:," />
        <link rel="stylesheet" href="${assets.css}" />
        <script src="${assets.js}" defer></script>
      </head>
      <body>
        <a class="skip" href="#content">To the content</a>
        ${masthead(visit)}
        <main id="content" class="wrap">${notes(visit)}${content}</main>
        ${footer(visit)}
      </body>
    </html>`.toString()
}

function productCard({ release }: Visit, { id, name, text, cents, drawing }: Product): Html {
  const express = html`<form method="post" action="/express">
    <input type="hidden" name="product" value="${id}" />
    <button aria-label="Express checkout: ${name}">Express checkout</button>
  </form>`
  return html`<li class="card">
    <svg viewBox="0 0 24 24" aria-hidden="true">${new Html(drawing)}</svg>
    <h2>${name}</h2>
    <p>${text}</p>
    <p class="price">${price(cents)}</p>
    <div class="row">
      <form method="post" action="/basket/add">
        <input type="hidden" name="product" value="${id}" />
        <button class="main" aria-label="Add to basket: ${name}">Add to basket</button>
      </form>
      ${release.can.express && express}
    </div>
  </li>`
}

/** The first page: all articles, and what this release brought. */
export function shopContent(visit: Visit): Html {
  const { novelties } = visit.release
  return html`<h1>Good gear for every tide</h1>
    <p class="lead">
      ${novelties.length > 0 ? `New here: ${novelties.join(' · ')}.` : 'Everything a small boat needs.'}
    </p>
    <ul class="grid">
      ${products.map((product) => productCard(visit, product))}
    </ul>`
}

function basketRow(id: string, quantity: number): HtmlPart {
  const product = productOf(id)
  if (!product) return null
  return html`<tr>
    <th scope="row">${product.name}</th>
    <td class="number">${quantity}</td>
    <td class="number">${price(product.cents * quantity)}</td>
    <td class="number">
      <form method="post" action="/basket/remove">
        <input type="hidden" name="product" value="${id}" />
        <button aria-label="Remove one: ${product.name}">Remove</button>
      </form>
    </td>
  </tr>`
}

function totalCents(basket: Basket): number {
  let sum = 0
  for (const [id, quantity] of basket.lines) sum += (productOf(id)?.cents ?? 0) * quantity
  return sum
}

/** The basket, and the way to the order. */
export function basketContent({ basket, release }: Visit): Html {
  if (!basket || basket.lines.size === 0) {
    return html`<h1>Your basket</h1>
      <p>It is empty. <a href="/">Back to the shop</a></p>`
  }
  const giftWrap = html`<p class="field">
    <label><input type="checkbox" name="giftWrap" value="yes" /> Wrap it as a gift, free of charge</label>
  </p>`
  return html`<h1>Your basket</h1>
    <table>
      <thead>
        <tr>
          <th scope="col">Article</th>
          <th scope="col" class="number">Quantity</th>
          <th scope="col" class="number">Price</th>
          <th scope="col"><span class="skip">Change</span></th>
        </tr>
      </thead>
      <tbody>
        ${[...basket.lines].map(([id, quantity]) => basketRow(id, quantity))}
        <tr>
          <th scope="row">Total</th>
          <td></td>
          <td class="number">${price(totalCents(basket))}</td>
          <td></td>
        </tr>
      </tbody>
    </table>
    <form method="post" action="/checkout">
      ${release.can.giftWrap && giftWrap} <button class="main">Order</button>
    </form>`
}

/** The login: any name will do. */
export function loginContent(): Html {
  return html`<h1>Log in</h1>
    <p class="lead">This is a sample: any name will do, and no password is asked for.</p>
    <form method="post" action="/login">
      <p class="field">
        <label for="visitor">Your name</label>
        <input type="text" id="visitor" name="visitor" required maxlength="40" autocomplete="nickname" />
      </p>
      <button class="main">Log in</button>
    </form>`
}

/** A page for what is not there or not allowed. */
export function refusalContent(title: string, sentence: string): Html {
  return html`<h1>${title}</h1>
    <p>${sentence} <a href="/">Back to the shop</a></p>`
}
