// Visitors as a load sees them: each keeps the token that it was given last, as a browser does, and knows where it began.
import { applicationCookies, usualHost } from '../visits.js'

/** A visitor that begins with these cookies. */
export interface KnownVisitor {
  readonly host: string
  readonly cookie: string
}

const agent =
  'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36'

/** One visitor; its request is made anew only when its cookies change. */
export class JarVisitor {
  readonly #path: string
  readonly #host: string
  readonly #own: string
  #request = ''
  /** The release that answered first; empty before. */
  home = ''

  constructor(path: string, { host, cookie }: KnownVisitor) {
    this.#path = path
    this.#host = host
    this.#own = cookie
    this.#compose(cookie)
  }

  get request(): string {
    return this.#request
  }

  /** What `Set-Cookie` says from then on. */
  keep(setCookie: string): void {
    this.#compose(`${this.#own}; ${setCookie.split(';')[0] ?? ''}`)
  }

  #compose(cookie: string): void {
    const lines = [
      `GET ${this.#path} HTTP/1.1`,
      `Host: ${this.#host}`,
      `User-Agent: ${agent}`,
      'Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8',
      'Accept-Language: en-US,en;q=0.5',
      'Accept-Encoding: gzip, deflate, br',
      `Referer: http://${this.#host}/`,
      'Sec-Fetch-Dest: document',
      'Sec-Fetch-Mode: navigate',
      'Sec-Fetch-Site: same-origin',
      'Upgrade-Insecure-Requests: 1',
      `Cookie: ${cookie}`,
    ]
    this.#request = `${lines.join('\r\n')}\r\n\r\n`
  }
}

/** Somebody who was never here. */
export function newcomer(path: string, number: number): JarVisitor {
  return new JarVisitor(path, { host: usualHost, cookie: applicationCookies(number) })
}
