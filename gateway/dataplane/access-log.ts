// Which requests are written to the access log, as a line of JSON each. Knows nothing of how they were served.
import { errorKinds } from '../domain/errors.js'
import type { Publication } from '../plane-protocol.js'
import type { AccessRecord } from './worker-state.js'

/** Null: none. */
export function accessLog(
  { share, errors }: Publication['access'],
  write: (line: string) => void,
): ((record: AccessRecord) => void) | null {
  if (share <= 0 && !errors) return null
  return (record) => {
    const isWanted = (errors && isFailure(record)) || Math.random() < share
    if (isWanted) write(`${JSON.stringify({ access: record })}\n`)
  }
}

/** Answered with a fault of the server's side, or cut short by one. */
function isFailure({ status, error }: AccessRecord): boolean {
  return status >= 500 || (error !== null && errorKinds[error].side !== 'downstream')
}
