// What the configuration directory asks for, read whole: the values of all good files and the problems of the bad
// ones. The loader makes it, the release controller follows it.
import type { Registration } from '../../domain/registration.js'
import type { SitePolicy } from '../../domain/site-policy.js'
import type { GatewaySettings } from './gateway-settings.js'

/** One thing wrong with one file (or, as a warning, one thing that is probably not meant). */
export interface ConfigProblem {
  readonly severity: 'error' | 'warning'
  /** Relative to the configuration directory; `environment` for AMARRE_* variables. */
  readonly file: string
  /** From 1; 0 where the file as a whole is meant. */
  readonly line: number
  readonly column: number
  /** Where in the document: `session.idleTimeout`, `targets[1]`; empty for the whole. */
  readonly path: string
  /** Found, allowed and the remedy in one sentence, lower case, values quoted, no full stop. */
  readonly message: string
}

/** The content of one configuration file as read from disk. */
export interface ConfigFile {
  /** Relative to the configuration directory, with `/`. */
  readonly path: string
  readonly content: string
}

/** Every configuration file that counts, at one moment. */
export interface ConfigListing {
  /** In order of their paths. */
  readonly files: readonly ConfigFile[]
  /** The folders that are there, in order: `.`, `sites`, `sites/shop`, `sites/shop/releases`. A missing one is a vanished one. */
  readonly directories: readonly string[]
  /** Folders and files that are there and cannot be read: nothing may be concluded from the absence of what is below. */
  readonly unreadable: readonly ConfigProblem[]
}

/** The last good content of every file in force, by its path. Plain data, to be kept over restarts. */
export type LastGoodFiles = Readonly<Record<string, string>>

/** The process's environment. */
export type Environment = Readonly<Record<string, string | undefined>>

export interface DesiredSite {
  readonly policy: SitePolicy
  /** Path of the site file. */
  readonly file: string
  /** In order of file names. */
  readonly registrations: readonly Registration[]
}

export interface DesiredState {
  readonly gateway: GatewaySettings
  readonly sites: readonly DesiredSite[]
  /** All problems of all files, at once. */
  readonly problems: readonly ConfigProblem[]
  /** Files whose last good content stays in force because the present one is bad, unreadable or vanished. */
  readonly keptFiles: readonly string[]
  /** Every file that counts or is kept, and whether its present content is in force. */
  readonly files: readonly FileStanding[]
}

/** Whether one file, as it is now, is what runs. */
export interface FileStanding {
  readonly file: string
  readonly isValid: boolean
}

/** The desired state, and what to give the next load (and to keep over a restart). */
export interface LoadedConfig extends DesiredState {
  readonly lastGood: LastGoodFiles
}
