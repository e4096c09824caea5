// How TLS is spoken on the public side, whatever the engine, and which names a certificate is good for.
import { X509Certificate } from 'node:crypto'

/** Suites of TLS 1.2 with forward secrecy and authenticated encryption; those of TLS 1.3 are all of that kind. */
export const ciphersOfTls12: readonly string[] = [
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
]

/** DNS names of the certificate (PEM), in lower case. */
export function namesOf(cert: string): string[] {
  const { subjectAltName = '' } = new X509Certificate(cert)
  return Array.from(subjectAltName.matchAll(/(?:^|, )DNS:([^,]+)/g), ([, name = '']) => name.toLowerCase())
}
