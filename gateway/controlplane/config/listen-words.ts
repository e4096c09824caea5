// The words of `listen` in gateway.yaml: where the public is served, by which engine, under which certificates.
import { z } from 'zod'
import type { GatewaySettings, HttpListen } from './gateway-settings.js'
import { listenAddress } from './network-words.js'
import { filePath, oneOf, wholeNumber } from './words.js'

const engine = oneOf('uws', 'node')
const httpAddress = 'an address such as "0.0.0.0:8080", or a map of "address", "engine" and others'

const proxyProtocol = () =>
  oneOf('off', 'v2')
    .prefault('off')
    .describe(
      "Whether every connection begins with a header of the PROXY protocol, version 2, that tells the client's address; taken from `trustedProxies` alone, all others are closed. Needs `engine: node`.",
    )

const httpListen = z.union(
  [
    listenAddress(),
    z.strictObject({
      address: listenAddress().prefault('0.0.0.0:8080').describe('Where plain HTTP is served.'),
      engine: engine
        .prefault('uws')
        .describe('What serves it: `uws` for speed, `node` for HTTP/1.0 and clients by the book.'),
      proxyProtocol: proxyProtocol(),
      redirectToHttps: wholeNumber(1, 65_535)
        .nullable()
        .prefault(null)
        .describe(
          'The public port of HTTPS (usually 443) to which requests are redirected, but those that came to a trusted proxy by HTTPS; `null`: they are served.',
        ),
    }),
  ],
  httpAddress,
)

const certificate = z.strictObject({
  cert: filePath().describe('The certificate chain, PEM.'),
  key: filePath().describe('The private key, PEM.'),
})

const clientCertificates = z.strictObject({
  ca: filePath().describe("The certificates, PEM, of those who may sign the clients'."),
  required: z
    .boolean()
    .prefault(true)
    .describe('Whether a client without a valid one is turned away at the handshake.'),
})

const httpsListen = z.strictObject({
  address: listenAddress().prefault('0.0.0.0:8443').describe('Where HTTPS is served.'),
  engine: engine.prefault('node').describe('What serves it: `node` for HTTP/2, `uws` for speed.'),
  certificates: z
    .array(certificate, 'a list of maps of "cert" and "key"')
    .min(1, 'at least one certificate')
    .describe('Certificate and key files; the first is shown where no other fits the name asked for.'),
  clientCertificates: clientCertificates
    .nullable()
    .prefault(null)
    .describe(
      'Clients are asked for a certificate; a valid one is told upstream as `Client-Cert` (RFC 9440). `null`: they are not. Needs `engine: node`.',
    ),
  proxyProtocol: proxyProtocol(),
})

/** The public listeners in words. */
export const listen = z.strictObject({
  http: httpListen
    .prefault('0.0.0.0:8080')
    .describe('Where plain HTTP is served: an address, or a map of `address`, `engine` and others.'),
  https: httpsListen.nullable().prefault(null).describe('Where HTTPS is served; `null`: nowhere.'),
})

type ListenWords = z.output<typeof listen>

/** The listeners that validated words stand for. */
export function toListen({ http, https }: ListenWords): GatewaySettings['listen'] {
  return { http: httpOf(http), https }
}

function httpOf(words: ListenWords['http']): HttpListen {
  if ('address' in words) return words
  return { address: words, engine: 'uws', proxyProtocol: 'off', redirectToHttps: null }
}
