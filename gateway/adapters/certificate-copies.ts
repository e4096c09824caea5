// Copies of certificates and keys for an engine that reads nothing but files: what a worker loads at its start stays as
// it was checked, whatever becomes of the operator's own files meanwhile.
import { createHash } from 'node:crypto'
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { CertificatePair } from './certificate-files.js'

/** The copies of one state of the certificates, readable by this user alone. */
export class CertificateCopies {
  readonly #directory: string
  #current = ''

  /** `directory` is the copies' own: what else stands there is removed. */
  constructor(directory: string) {
    this.#directory = directory
  }

  /** Writes them, and forgets all but these and those before: a worker may be starting with those. */
  async write(certificates: readonly CertificatePair[]): Promise<CertificatePair[]> {
    const name = createHash('sha256').update(JSON.stringify(certificates)).digest('hex').slice(0, 16)
    const kept = [name, this.#current]
    this.#current = name
    await mkdir(join(this.#directory, name), { recursive: true, mode: 0o700 })
    const copies = await Promise.all(certificates.map((pair, i) => this.#copy(join(name, String(i)), pair)))
    for (const other of await readdir(this.#directory)) {
      if (!kept.includes(other)) await rm(join(this.#directory, other), { recursive: true })
    }
    return copies
  }

  async #copy(name: string, { cert, key }: CertificatePair): Promise<CertificatePair> {
    const place = join(this.#directory, name)
    const files = { cert: `${place}.crt`, key: `${place}.key` }
    await writeFile(files.cert, cert, { mode: 0o600 })
    await writeFile(files.key, key, { mode: 0o600 })
    return files
  }
}
