// Loaded into the gateway's processes by a test: SIGUSR2 brings about an error that nothing catches.

process.on('SIGUSR2', () => {
  throw new Error('nobody expected this')
})
