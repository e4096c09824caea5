// `amarre explain SITE`: where a request goes and why, by the word of a worker; nothing is sent.
import type { ExplainBody, ExplanationStatus } from '../controlplane/admin-protocol-desk.js'
import type { AdminClient } from './admin-client.js'
import type { ExitCode } from './failure.js'
import type { Terminal } from './terminal.js'

/** What is known of the request. */
export interface ExplainOptions extends ExplainBody {
  readonly site: string
  readonly json?: boolean
}

/** The sentence, then what it rests on. */
export async function explain(
  client: AdminClient,
  terminal: Terminal,
  { site, json, cookie, header, url, method }: ExplainOptions,
): Promise<ExitCode> {
  const found = await client.explain(site, {
    ...(cookie === undefined ? {} : { cookie }),
    ...(header === undefined ? {} : { header }),
    ...(url === undefined ? {} : { url }),
    ...(method === undefined ? {} : { method }),
  })
  terminal.out.write(json === true ? `${JSON.stringify(found)}\n` : `${linesOf(found).join('\n')}\n`)
  return 0
}

function linesOf({ text, target, until, token }: ExplanationStatus): readonly string[] {
  const lines = [text]
  if (target !== null) lines.push(`  target   ${target}`)
  if (until !== null) lines.push(`  until    ${until}`)
  if (token === null) return lines
  const end = token.until === null ? 'without end' : `until ${token.until}`
  const held = token.held ? ', while its release serves' : ''
  lines.push(`  session  ${token.session} on "${token.release}", born ${token.bornAt}`)
  lines.push(`  token    issued ${token.issuedAt}, honoured ${end}${held}`)
  return lines
}
