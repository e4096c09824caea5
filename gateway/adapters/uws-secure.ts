// uWebSockets.js under TLS: its app with the certificates of a listener, each for its names. The library takes files
// only, and a certificate can be given to a live app but never taken back (docs/conformance.md): other ones come with
// other workers.
import uWS from 'uWebSockets.js'
import type { TlsMaterial } from '../plane-protocol.js'
import { ciphersOfTls12, namesOf } from './tls-policy.js'

/** An app that shows the first certificate where no other fits; `serve` is given it once for each name of the others. */
export function secureApp(tls: TlsMaterial, serve: (app: uWS.TemplatedApp) => void): uWS.TemplatedApp {
  const files = (tls.files ?? []).map(({ cert, key }) => ({
    cert_file_name: cert,
    key_file_name: key,
    ssl_ciphers: ciphersOfTls12.join(':'),
  }))
  const app = uWS.SSLApp(files[0] ?? {})
  serve(app)
  const known = new Set<string>()
  tls.certificates.forEach(({ cert }, i) => {
    for (const name of namesOf(cert)) {
      // The library would ignore a second certificate for one name; names of the first need no entry of their own.
      if (!known.has(name) && i > 0) serve(app.addServerName(name, files[i] ?? {}).domain(name))
      known.add(name)
    }
  })
  return app
}
