// Histories that broke a rule once, cut down to what was needed for it.
import t from 'tap'
import { minute, second } from './scenes.js'
import type { Declared, History, Step } from './steps.js'
import { BirthTally } from './truth.js'
import { VirtualTimers } from './virtual-timers.js'
import { World } from './world.js'

const plain: Declared = {
  compatibleFrom: null,
  rollbackTo: null,
  takeOver: 'never',
  plan: 'auto',
  onAbort: 'keep',
}
const goesBack: Declared = { ...plain, rollbackTo: 1 }

const usual: Omit<History, 'releases' | 'steps'> = {
  seed: 1,
  workers: 1,
  onReleaseGone: 'move',
  affinity: 'target',
  startsOn: 'request',
  maxAge: '20m',
  pagesName: false,
  legacy: null,
  retain: { previous: 1, warm: 0, maxDrain: 'never', onOverflow: 'keep' },
}

const visit = { do: 'visit', visitor: 0, worker: 0, kind: 'document', tab: 0, delivery: 'now' } as const
const pass = (ms: number): Step => ({ do: 'pass', ms, silent: null })

const found: readonly { readonly what: string; readonly releases: Declared[]; readonly steps: Step[] }[] = [
  {
    // What followed from one verdict gave the births to the release that was judged next, by how it had been before.
    what: 'a verdict that comes as births are given back takes them from nobody',
    releases: [{ ...plain, plan: 'abortable' }, goesBack, goesBack, plain],
    steps: [
      { do: 'drop', release: 0, note: 0 },
      { do: 'drop', release: 1, note: 0 },
      { ...visit, tab: 1, answer: 'login' },
      pass(2 * minute),
      { ...visit, kind: 'part', answer: 'login' },
      { do: 'drop', release: 2, note: 0 },
      pass(7 * minute),
      { do: 'targets-fail', release: 2 },
      { ...visit, answer: 'end' },
      { do: 'drain', release: 0 },
      { do: 'pass', ms: second / 5, silent: 0 },
      { do: 'retire', release: 1, force: true },
    ],
  },
]

for (const { what, releases, steps } of found) {
  t.test(what, async (t) => {
    const timers = new VirtualTimers()
    timers.install()
    try {
      await new World({ ...usual, releases, steps }, timers, new BirthTally()).play()
      t.pass('no rule is broken')
    } finally {
      timers.uninstall()
    }
  })
}
