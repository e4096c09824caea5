// The certificate files of the secure listener: read, checked before anyone uses them, and read again when they change.
// Knows nothing of who shows them.
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { Certificate, HttpsListen } from '../controlplane/config/gateway-settings.js'
import type { TlsMaterial } from '../plane-protocol.js'

export type CertificatePair = TlsMaterial['certificates'][number]

/** What the files of a secure listener hold. */
export interface CertificateContents {
  readonly certificates: readonly CertificatePair[]
  /** Who may sign the certificates of clients, and whether all need one; null: nobody is asked. */
  readonly clients: TlsMaterial['clients']
}

/** Which files they are. */
export type CertificateFiles = Pick<HttpsListen, 'certificates' | 'clientCertificates'>

const lookMs = 1_000

/** Reads and checks all of them. Rejects naming the file that cannot be used, and why. */
export async function readCertificates(files: CertificateFiles): Promise<CertificateContents> {
  const { clientCertificates } = files
  const certificates = await Promise.all(files.certificates.map(readPair))
  if (clientCertificates === null) return { certificates, clients: null }
  const ca = await readAuthorities(clientCertificates.ca)
  return { certificates, clients: { ca, isRequired: clientCertificates.required } }
}

const pemCertificate = /-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----/g

async function readAuthorities(file: string): Promise<string> {
  const text = await readText(file)
  const found = text.match(pemCertificate) ?? ['']
  for (const each of found) parsed(file, 'certificate', () => new X509Certificate(each))
  return text
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
  onChange(contents: CertificateContents): void
  /** They cannot be used; the former ones stay. Told once for each reason. */
  onFault(reason: string): void
}

/**
 * Looks at the files once a second, whole: they are few and small, and nothing but their content says truly that they
 * changed (a renewed symbolic link keeps size and time).
 */
export class CertificateWatch {
  #files: CertificateFiles
  #known: string
  #fault = ''
  readonly #events: CertificateEvents
  readonly #timer: NodeJS.Timeout
  #isLooking = false

  constructor(files: CertificateFiles, known: CertificateContents, events: CertificateEvents) {
    this.#files = files
    this.#known = JSON.stringify(known)
    this.#events = events
    this.#timer = setInterval(() => void this.#look(), lookMs).unref()
  }

  /** Other files from now on. */
  follow(files: CertificateFiles): void {
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

  #found(contents: CertificateContents): void {
    this.#fault = ''
    const found = JSON.stringify(contents)
    if (found === this.#known) return
    this.#known = found
    this.#events.onChange(contents)
  }

  /** Certificate and key are two files: for a moment they may not fit. */
  #failed(reason: string): void {
    if (reason !== this.#fault) this.#events.onFault(reason)
    this.#fault = reason
  }
}
