// WebSockets by the engine `node`.
import { useEngine } from './front.js'

useEngine('node')
await import('./tunnel-suite.js')
