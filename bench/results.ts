// Keeps what a run measured: raw results under bench/results, with the machine and the versions they belong to.
import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, release } from 'node:os'
import { join } from 'node:path'
import { versionOf } from './programs.js'

/** The machine and when it was used. */
export function machineNow() {
  return {
    cpu: cpus()[0]?.model ?? '',
    cores: cpus().length,
    kernel: release(),
    node: process.version,
    wrk: versionOf('wrk', '-v'),
    loadBefore: loadavg()[0] ?? 0,
  }
}

/** Writes one file for the run and answers its path. */
export function keepResults(at: Date, name: string, content: object): string {
  const folder = join(process.cwd(), 'bench', 'results')
  mkdirSync(folder, { recursive: true })
  const file = join(folder, `${at.toISOString().replaceAll(':', '-').slice(0, 19)}-${name}.json`)
  writeFileSync(file, `${JSON.stringify({ at: at.toISOString(), ...content }, null, 1)}\n`)
  return file
}
