// What a visitor's browser sends.
import type { RequestHead } from '../../gateway/dataplane/request-head.js'
import type { RequestKind } from './steps.js'
import type { Visitor } from './truth.js'

const fetchDestinations: Readonly<Record<RequestKind, string>> = {
  document: 'document',
  part: 'script',
  fetch: 'empty',
  post: 'document',
}

export function headOf(visitor: Visitor, kind: RequestKind): RequestHead {
  const fields: (readonly [name: string, value: string])[] = [
    ['host', 'shop.test'],
    ['user-agent', 'history'],
    ['sec-fetch-dest', fetchDestinations[kind]],
  ]
  if (visitor.token !== null) fields.push(['cookie', `amarre=${visitor.token.text}`])
  return {
    method: kind === 'post' ? 'POST' : 'GET',
    target: '/page',
    path: '/page',
    names: fields.map(([name]) => name),
    values: fields.map(([, value]) => value),
    remoteAddress: visitor.address,
    isSecure: false,
    version: '1.1',
    clientCertificate: '',
  }
}
