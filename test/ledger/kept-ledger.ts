// A ledger with its journal and keeper on a store, as the main process puts them together.
import { Journal } from '../../gateway/controlplane/ledger/journal.js'
import { LedgerKeeper } from '../../gateway/controlplane/ledger-keeper.js'
import { SessionLedger } from '../../gateway/controlplane/session-ledger.js'
import type { SessionStore } from '../../gateway/domain/ports.js'

export interface KeptLedger {
  readonly ledger: SessionLedger
  readonly keeper: LedgerKeeper
}

export function keptLedger(
  store: SessionStore,
  options: { maxSessions: number; segments?: number },
): KeptLedger {
  const journal = new Journal()
  const ledger = new SessionLedger({ ...options, journal })
  return { ledger, keeper: new LedgerKeeper({ ledger, journal, store }) }
}
