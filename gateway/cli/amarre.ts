#!/usr/bin/env node
// The entry of the `amarre` command. What takes longest at a start, a worker reading its code, begins here, before this
// process has read its own. Knows nothing of verbs and options.
if (process.argv[2] === 'start') {
  // The first process of a container never hears a signal that it has not asked for.
  const { onRollSignal, stopSignal } = await import('../adapters/process-signals.js')
  void stopSignal()
  // Nor is it ended by one that means to replace workers that are new anyway.
  onRollSignal(() => {})
  const { forkAhead } = await import('../adapters/worker-process.js')
  forkAhead()
}
const { runCommand } = await import('./program.js')
await runCommand()

export {}
