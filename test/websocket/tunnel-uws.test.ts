// WebSockets by the engine `uws`.
import { useEngine } from './front.js'

useEngine('uws')
await import('./tunnel-suite.js')
