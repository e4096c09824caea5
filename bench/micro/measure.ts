// Times one small thing often enough to say what it costs: nanoseconds of CPU a call, median and best of a few rounds.
import { median } from '../statistics.js'

const rounds = 9

/** Prints a line with the cost of one call of `once`. */
export function measureNs(name: string, perRound: number, once: () => void): void {
  const results: number[] = []
  for (let round = 0; round < rounds; round++) {
    const before = process.cpuUsage()
    for (let i = 0; i < perRound; i++) once()
    const { user, system } = process.cpuUsage(before)
    results.push(((user + system) * 1000) / perRound)
  }
  console.log(`${name}: ${median(results).toFixed(0)} ns (best ${Math.min(...results).toFixed(0)})`)
}
