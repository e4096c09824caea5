// Times one small thing often enough to say what it costs: nanoseconds a call, median and best of a few rounds.
import { median } from '../statistics.js'

const rounds = 7

/** Prints a line with the cost of one call of `once`. */
export function measureNs(name: string, perRound: number, once: () => void): void {
  const results: number[] = []
  for (let round = 0; round < rounds; round++) {
    const start = process.hrtime.bigint()
    for (let i = 0; i < perRound; i++) once()
    results.push(Number(process.hrtime.bigint() - start) / perRound)
  }
  console.log(`${name}: ${median(results).toFixed(0)} ns (best ${Math.min(...results).toFixed(0)})`)
}
