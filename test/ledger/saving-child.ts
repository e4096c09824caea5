// A process that saves a ledger in a loop until it is killed, and tells its parent of every save that was resolved.
import { openLmdbStore } from '../../gateway/adapters/lmdb-store.js'
import { keptLedger } from './kept-ledger.js'
import { historyStep } from './saved-history.js'

const store = await openLmdbStore(process.argv[2] ?? '')
const { ledger, keeper } = keptLedger(store, { maxSessions: 100_000, segments: 64 })
const { asOf } = await keeper.restore()
for (let step = (asOf ?? 0) + 1; process.connected; step++) {
  historyStep(ledger, step)
  await keeper.save(step)
  process.send?.(step)
}
