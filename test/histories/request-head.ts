// What a visitor's browser sends.
import type { RequestHead } from '../../gateway/dataplane/request-head.js'
import type { RequestKind } from './steps.js'
import type { Page, Visitor } from './truth.js'

/** The application's own session cookie. */
export const applicationCookie = 'sid'

/** The field in which what a page loads names the page's release. */
export const pageHeader = 'x-page-release'

const fetchDestinations: Readonly<Record<RequestKind, string>> = {
  document: 'document',
  part: 'script',
  fetch: 'empty',
  post: 'document',
}

/** `page`: the one that asks; null where nothing names one. */
export function headOf(
  visitor: Visitor,
  kind: RequestKind,
  page: Page | null = null,
  target = '/page',
): RequestHead {
  const cookies = cookiesOf(visitor)
  const fields: (readonly [name: string, value: string])[] = [
    ['host', 'shop.test'],
    ['user-agent', 'history'],
    ['sec-fetch-dest', fetchDestinations[kind]],
    ...(cookies.length === 0 ? [] : [['cookie', cookies.join('; ')] as const]),
    ...(page === null ? [] : [[pageHeader, page.release] as const]),
  ]
  return {
    method: kind === 'post' ? 'POST' : 'GET',
    target,
    path: '/page',
    names: fields.map(([name]) => name),
    values: fields.map(([, value]) => value),
    remoteAddress: visitor.address,
    isSecure: false,
    version: '1.1',
    clientCertificate: '',
  }
}

function cookiesOf({ token, hasApplicationCookie, pass }: Visitor): string[] {
  return [
    ...(hasApplicationCookie ? [`${applicationCookie}=1`] : []),
    ...(pass === null ? [] : [`amarre-preview=${pass.text}`]),
    ...(token === null ? [] : [`amarre=${token.text}`]),
  ]
}
