// When a worker is too busy, beat by beat: nobody is refused for a single pause, newcomers before sessions, and it does
// not come and go with every beat.
import t from 'tap'
import { afterBeat, exchangesAllowed, relaxed, type Strain } from '../../gateway/domain/overload.js'

const boundMs = 100

function after(beats: number, latenessMs: number, strain: Strain = relaxed): Strain {
  for (let i = 0; i < beats; i++) strain = afterBeat(strain, latenessMs, boundMs)
  return strain
}

t.test('one pause, however long, is no overload', async (t) => {
  t.equal(after(1, 60_000).load, 'usual')
  t.equal(after(50, 99).load, 'usual', 'nor is any lateness below the bound')
})

t.test('lasting lateness refuses newcomers, twice as much of it everybody', async (t) => {
  t.equal(after(1, 110).load, 'usual')
  t.equal(after(20, 110).load, 'strained')
  t.equal(after(20, 199).load, 'strained')
  t.equal(after(20, 300).load, 'overloaded')
})

t.test('each step back comes at half of what led there', async (t) => {
  const overloaded = after(20, 300)
  t.equal(after(50, 110, overloaded).load, 'overloaded')
  const strained = after(50, 90, overloaded)
  t.equal(strained.load, 'strained')
  t.equal(after(50, 60, strained).load, 'strained')
  t.equal(after(50, 40, strained).load, 'usual')
})

t.test('never: no lateness refuses anybody', async (t) => {
  t.equal(afterBeat(after(20, 300), 60_000, Infinity), relaxed)
})

t.test('newcomers have four fifths of the exchanges, and none while the worker is late', async (t) => {
  const [usual, strained, overloaded] = [relaxed, after(20, 110), after(20, 300)]
  t.same(
    [usual, strained, overloaded].map((strain) =>
      [true, false].map((is) => exchangesAllowed(strain, 10, is)),
    ),
    [
      [8, 10],
      [0, 10],
      [0, 0],
    ],
  )
  t.equal(exchangesAllowed(usual, Infinity, true), Infinity)
})
