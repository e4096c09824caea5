// Random histories of a gateway and its visitors, against rules that none of them may break. A failure prints the
// history, cut down to what is needed for it, and its seed. `HISTORIES` plays so many, `HISTORIES_SEED` those of a seed.
import fc from 'fast-check'
import t from 'tap'
import { histories } from './drawing.js'
import { BirthTally } from './truth.js'
import { VirtualTimers } from './virtual-timers.js'
import { World } from './world.js'

const wanted = process.env['HISTORIES']
const runs = Number(wanted ?? 100)
const seed = process.env['HISTORIES_SEED']

t.test(
  'whatever happens: nobody is lost, nobody is where he may not be, nothing is empty too early',
  async (t) => {
    const births = new BirthTally()
    const property = fc.asyncProperty(histories(60), async (history) => {
      const timers = new VirtualTimers()
      timers.install()
      try {
        await new World(history, timers, births).play()
      } finally {
        timers.uninstall()
      }
    })
    await fc.assert(property, {
      numRuns: runs,
      // On a slow machine fewer are played; `npm run histories` plays them all.
      ...(wanted === undefined ? { interruptAfterTimeLimit: 12_000 } : {}),
      ...(seed === undefined ? {} : { seed: Number(seed) }),
    })
    t.comment(
      `${births.births} births in rollouts, ${births.deviations.toFixed(2)} deviations from their shares`,
    )
    t.ok(births.births > 0, 'births in rollouts were seen')
    t.ok(births.deviations < 5, 'births follow the shares')
  },
)
