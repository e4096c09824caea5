// Certificates of a test, made by openssl when it runs: self-signed, for the names given.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface MadeCertificate {
  readonly certFile: string
  readonly keyFile: string
  readonly cert: string
  readonly key: string
}

const directory = mkdtempSync(join(tmpdir(), 'amarre-certificates-'))
process.once('exit', () => rmSync(directory, { recursive: true, force: true }))
let made = 0

/** One for these names, the first of which is the common name. */
export function makeCertificate(...names: readonly string[]): MadeCertificate {
  const place = join(directory, String(made++))
  const [certFile, keyFile] = [`${place}.crt`, `${place}.key`]
  const alternatives = names.map((name) => (/^[\d.]+$/.test(name) ? `IP:${name}` : `DNS:${name}`)).join(',')
  const words = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=${names[0] ?? ''}`
  execFileSync(
    'openssl',
    [...words.split(' '), '-addext', `subjectAltName=${alternatives}`, '-keyout', keyFile, '-out', certFile],
    { stdio: 'ignore' },
  )
  return {
    certFile,
    keyFile,
    cert: readFileSync(certFile, 'utf8'),
    key: readFileSync(keyFile, 'utf8'),
  }
}
