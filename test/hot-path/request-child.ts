// Sends usual requests through the data plane without sockets and prints what each cost. Run with --expose-gc and a
// young generation that holds a whole batch, so that no collection happens while it is measured.
import {
  FreshHeads,
  InstantClient,
  InstantUpstream,
  stateWith,
  tokenOf,
} from '../../bench/micro/one-request.js'
import { beginExchange } from '../../gateway/dataplane/exchange.js'
import { fieldMasks } from '../../gateway/dataplane/response-fields.js'

const batch = 2000
const warmUps = 10
/** What the engine itself comes to keep meanwhile, some 200 KB, is then less than 10 bytes of each request. */
const batchesMeasured = 20
const collect = globalThis.gc
if (collect === undefined) throw new Error('run with --expose-gc')

const upstream = new InstantUpstream()
const usual = stateWith(upstream)
let clockReadings = 0
const clock = {
  now() {
    clockReadings++
    return Date.now()
  },
  monotonic() {
    clockReadings++
    return performance.now()
  },
}
const state = { ...usual, clock }
const masks = fieldMasks(true)
const heads = new FreshHeads(tokenOf(1, Date.now()))
const totals = { starts: 0, writes: 0, ends: 0, flushes: 0 }

class CountingClient extends InstantClient {
  override start(): void {
    totals.starts++
  }
  override write(): void {
    totals.writes++
  }
  override end(): void {
    totals.ends++
  }
  override flush(): boolean {
    totals.flushes++
    return true
  }
}

/** The heap's growth over one batch of requests. */
function allocatedBy(clients: readonly CountingClient[]): number {
  const before = process.memoryUsage().heapUsed
  for (const client of clients) {
    beginExchange(state, masks, client)
    upstream.answer()
  }
  return process.memoryUsage().heapUsed - before
}

function newClients(): CountingClient[] {
  return Array.from({ length: batch }, () => new CountingClient(heads.next()))
}

/** A function of its own, so that nothing on the stack holds the last batch. */
function allocatedByBatches(batches: number): number {
  let allocated = 0
  for (let i = 0; i < batches; i++) {
    const clients = newClients()
    collect?.()
    allocated += allocatedBy(clients)
  }
  return allocated
}

allocatedByBatches(warmUps)
Object.assign(totals, { starts: 0, writes: 0, ends: 0, flushes: 0 })
upstream.sent = 0
upstream.headBytes = 0
clockReadings = 0
collect()
const keptBefore = process.memoryUsage().heapUsed
const allocated = allocatedByBatches(batchesMeasured)
collect()
const kept = process.memoryUsage().heapUsed - keptBefore
const requests = batch * batchesMeasured
const each = (total: number): number => Math.round((total / requests) * 100) / 100
process.stdout.write(
  JSON.stringify({
    allocatedBytes: each(allocated),
    keptBytes: each(kept),
    sent: each(upstream.sent),
    headBytes: each(upstream.headBytes),
    starts: each(totals.starts),
    writes: each(totals.writes),
    ends: each(totals.ends),
    flushes: each(totals.flushes),
    clockReadings: each(clockReadings),
    open: state.open.size,
  }),
)
