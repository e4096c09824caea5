// The certificate files of the secure listener: read, checked before anyone uses them, and read again when they change.
// Knows nothing of who shows them.
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { Certificate } from '../controlplane/config/gateway-settings.js'
import type { TlsMaterial } from '../plane-protocol.js'

export type CertificatePair = TlsMaterial['certificates'][number]

const lookMs = 1_000

/** Reads and checks all of them. Rejects naming the file that cannot be used, and why. */
export function readCertificates(files: readonly Certificate[]): Promise<readonly CertificatePair[]> {
  return Promise.all(files.map(readPair))
}

async function readPair(files: Certificate): Promise<CertificatePair> {
  const [cert, key] = await Promise.all([readText(files.cert), readText(files.key)])
  const certificate = parsed(files.cert, 'certificate', () => new X509Certificate(cert))
  const privateKey = parsed(files.key, 'private key', () => createPrivateKey(key))
  if (!certificate.checkPrivateKey(privateKey)) {
    throw new Error(`the private key "${files.key}" does not belong to the certificate "${files.cert}"`)
  }
  return { cert, key }
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw new Error(`"${file}" cannot be read: ${error instanceof Error ? error.message : String(error)}`)
  }
}

function parsed<T>(file: string, what: string, parse: () => T): T {
  try {
    return parse()
  } catch {
    throw new Error(`"${file}" holds no usable ${what}`)
  }
}

export interface CertificateEvents {
  onChange(certificates: readonly CertificatePair[]): void
  /** They cannot be used; the former ones stay. Told once for each reason. */
  onFault(reason: string): void
}

/**
 * Looks at the files once a second, whole: they are few and small, and nothing but their content says truly that they
 * changed (a renewed symbolic link keeps size and time).
 */
export class CertificateWatch {
  #files: readonly Certificate[]
  #known: string
  #fault = ''
  readonly #events: CertificateEvents
  readonly #timer: NodeJS.Timeout
  #isLooking = false

  constructor(files: readonly Certificate[], known: readonly CertificatePair[], events: CertificateEvents) {
    this.#files = files
    this.#known = JSON.stringify(known)
    this.#events = events
    this.#timer = setInterval(() => void this.#look(), lookMs).unref()
  }

  /** Other files from now on. */
  follow(files: readonly Certificate[]): void {
    this.#files = files
  }

  close(): void {
    clearInterval(this.#timer)
  }

  async #look(): Promise<void> {
    if (this.#isLooking) return
    this.#isLooking = true
    try {
      this.#found(await readCertificates(this.#files))
    } catch (error) {
      this.#failed(error instanceof Error ? error.message : String(error))
    }
    this.#isLooking = false
  }

  #found(certificates: readonly CertificatePair[]): void {
    this.#fault = ''
    const found = JSON.stringify(certificates)
    if (found === this.#known) return
    this.#known = found
    this.#events.onChange(certificates)
  }

  /** Certificate and key are two files: for a moment they may not fit. */
  #failed(reason: string): void {
    if (reason !== this.#fault) this.#events.onFault(reason)
    this.#fault = reason
  }
}
