// The log: JSON lines on standard output by pino, the only importer of it.
import { pino } from 'pino'
import type { Log } from '../domain/ports.js'

/** A log whose level can be set while it runs. */
export interface AdjustableLog extends Log {
  level: string
}

export function createLog(level: string): AdjustableLog {
  const logger = pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime })
  return {
    get level() {
      return logger.level
    },
    set level(value: string) {
      logger.level = value
    },
    debug: (message, fields = {}) => logger.debug(fields, message),
    info: (message, fields = {}) => logger.info(fields, message),
    warn: (message, fields = {}) => logger.warn(fields, message),
    error: (message, fields = {}) => logger.error(fields, message),
  }
}
