// The request that an explanation is asked for, out of the few words that an operator gives: what he leaves out is what
// a browser's navigation has. Knows nothing of where it will go.
import type { SiteName } from '../domain/ids.js'
import type { ExplainedRequest } from '../plane-protocol.js'

/** What an operator says of a request. */
export interface ExplainQuestion {
  /** `NAME=VALUE` each. */
  readonly cookies: readonly string[]
  readonly headers: readonly { readonly name: string; readonly value: string }[]
  /** An address, or a path of the site; null: its first page. */
  readonly url: string | null
  readonly method: string
}

/** A whole request for the worker that is asked. */
export function explainedRequest(
  site: SiteName,
  hosts: readonly string[],
  question: ExplainQuestion,
): ExplainedRequest {
  const { host, target, isSecure } = addressOf(question.url, hosts)
  const fields = [...question.headers]
  const has = (name: string): boolean => fields.some((field) => field.name === name)
  const add = (name: string, value: string): void => void fields.push({ name, value })
  if (!has('host')) add('host', host)
  if (question.cookies.length > 0) add('cookie', question.cookies.join('; '))
  if (!has('sec-fetch-dest') && !has('accept') && !has('upgrade')) {
    add('sec-fetch-dest', 'document')
    add('accept', 'text/html')
  }
  // Seen as the last proxy in front would hand it on: a birth depends on the client's address.
  const forwarded = fields.find(({ name }) => name === 'x-forwarded-for')?.value ?? ''
  return {
    site,
    head: {
      method: question.method,
      target,
      path: target.split('?', 1)[0] ?? '',
      names: fields.map(({ name }) => name),
      values: fields.map(({ value }) => value),
      remoteAddress: forwarded.split(',').at(-1)?.trim() ?? '',
      isSecure,
    },
  }
}

function addressOf(
  url: string | null,
  hosts: readonly string[],
): { readonly host: string; readonly target: string; readonly isSecure: boolean } {
  if (url !== null && !url.startsWith('/')) {
    const { host, pathname, search, protocol } = new URL(url)
    return { host, target: pathname + search, isSecure: protocol === 'https:' }
  }
  const exact = hosts.find((host) => !host.startsWith('*'))
  const any = hosts[0] === '*' ? 'localhost' : (hosts[0] ?? '').replace('*', 'any')
  return { host: exact ?? any, target: url ?? '/', isSecure: false }
}
