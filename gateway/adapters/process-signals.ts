// What the system and the operator tell the main process by signal, and its end when an error escapes everything.

let stop: Promise<void> | null = null

/** The first SIGTERM or SIGINT, heard from the first call on, asks for an orderly end; a second one does not wait for it. */
export function stopSignal(): Promise<void> {
  stop ??= new Promise((asked) => {
    let isAsked = false
    const onSignal = (): void => {
      if (isAsked) process.exit(1)
      isAsked = true
      asked()
    }
    process.on('SIGTERM', onSignal)
    process.on('SIGINT', onSignal)
  })
  return stop
}

/** Calls back at each SIGHUP. */
export function onRollSignal(roll: () => void): void {
  process.on('SIGHUP', roll)
}

/** An uncaught error ends the process with code 70; workers follow when their channel closes. */
export function endOnUncaughtError(): void {
  process.on('uncaughtException', (error) => {
    process.stderr.write(`amarre: uncaught error, the gateway ends: ${error.stack ?? error.message}\n`)
    process.exit(70)
  })
}
