// What the open-loop load is told and what it answers, and how one is run.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ForkedProgram } from './forked.js'
import type { LatencySummary, SteadySummary } from './latencies.js'
import type { KnownVisitor } from './visitor-jar.js'

export interface OpenLoopPlan {
  readonly port: number
  readonly path: string
  readonly connections: number
  /** Requests a second. */
  readonly rate: number
  readonly seconds: number
  readonly visitors: readonly KnownVisitor[]
  /** The share of requests that come from somebody new, who takes a visitor's place. */
  readonly churn: number
}

export interface OpenLoopResult extends LatencySummary, SteadySummary {
  readonly requests: number
  readonly seconds: number
  /** How late the load itself was with its requests, µs: it waits for the core too, and what it lost no proxy added. */
  readonly ownLateP99Us: number
  readonly newcomers: number
  /** Answers of another release than the visitor's first. */
  readonly strayed: number
  /** By what went wrong. */
  readonly failures: Readonly<Record<string, number>>
}

/** Runs one to its end. `meanwhile` is called when it has begun, and waited for as well. */
export async function runOpenLoop(
  plan: OpenLoopPlan,
  directory: string,
  meanwhile: () => Promise<void> = async () => {},
): Promise<OpenLoopResult> {
  const file = join(directory, 'open-loop.json')
  writeFileSync(file, JSON.stringify(plan))
  const load = new ForkedProgram('open-loop-program.js', [file], true)
  try {
    await load.next()
    const result = load.next()
    load.tell('go')
    const [found] = await Promise.all([result, meanwhile()])
    return found as OpenLoopResult
  } finally {
    await load.end()
  }
}

/** All that failed, together. */
export function failedOf({ failures }: OpenLoopResult): number {
  return Object.values(failures).reduce((sum, count) => sum + count, 0)
}
