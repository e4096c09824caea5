// Why a verb ends without what it was asked for, and with which exit code. Knows nothing of any verb.

/**
 * 0: what was asked for. 1: it failed. 2: the command line is wrong, or there is no such site or release. Of `wait`
 * also 3: nothing certain can be said, 4: time is up.
 */
export type ExitCode = 0 | 1 | 2 | 3 | 4

/** A failure that is told in a sentence, without a stack. */
export class Failure extends Error {
  readonly exitCode: Exclude<ExitCode, 0>

  constructor(message: string, exitCode: Exclude<ExitCode, 0> = 1) {
    super(message)
    this.name = 'Failure'
    this.exitCode = exitCode
  }
}

/** Nobody answers, or not yet: asked again later, he may. */
export class NoAnswer extends Failure {
  constructor(message: string) {
    super(message)
    this.name = 'NoAnswer'
  }
}
