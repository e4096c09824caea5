// The words for addresses: listeners, hosts, targets, URLs and blocks. Like words.ts: people's words in, the
// program's values out, and a message that is the phrase for what is allowed.
import { isIP } from 'node:net'
import { parseTargetUrl } from '../../domain/ids.js'
import type { TargetUrl } from '../../domain/ids.js'
import type { ListenAddress } from './gateway-settings.js'
import { parsed, text } from './words.js'

function parseListenAddress(written: string): ListenAddress | null {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/.exec(written)
  if (match === null || Number(match[3]) > 65535) return null
  if (match[1] !== undefined && isIP(match[1]) !== 6) return null
  return { host: match[1] ?? match[2] ?? '', port: Number(match[3]) }
}

/** `host:port` or `[address]:port`. */
export function listenAddress() {
  return parsed(
    'address and port',
    'an address and a port such as "0.0.0.0:8080", "127.0.0.1:9901" or "[::]:8080" (in quotes)',
    parseListenAddress,
  )
}

const hostName = '(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)'

/** An exact host name, `*.example.com` or `*`; lower-cased, without port. */
export function hostPattern() {
  const pattern = new RegExp(`^(?:\\*|(?:\\*\\.)?${hostName}(?:\\.${hostName})*|\\[[0-9a-f:.]+\\])$`)
  return parsed(
    'host pattern',
    'a host name without scheme and port such as "shop.example.com", "*.example.com" or "*"',
    (written) => (pattern.test(written.toLowerCase()) ? written.toLowerCase() : null),
  )
}

/** The domain of a cookie: a host name, lower-cased, without a leading dot. */
export function cookieDomain() {
  const pattern = new RegExp(`^${hostName}(?:\\.${hostName})*$`)
  return parsed('domain', 'a domain such as "example.com", without a leading dot', (written) =>
    pattern.test(written.toLowerCase()) ? written.toLowerCase() : null,
  )
}

function parseTarget(written: string): TargetUrl | null {
  // sun_path holds 108 bytes with its closing zero (unix(7)): a longer one could never be connected.
  if (written.startsWith('unix:') && Buffer.byteLength(written) > 'unix:'.length + 107) return null
  return parseTargetUrl(written)
}

/** An upstream address. */
export function targetUrl() {
  return parsed<TargetUrl>(
    'URL',
    '"http://host:port", "https://host:port" without a path, or "unix:/absolute/path" of up to 107 bytes',
    parseTarget,
  )
}

/** An `http:` or `https:` address of any path. */
export function webUrl() {
  const allowed = 'a URL such as "https://hooks.example.com/amarre", without a user name or password'
  return parsed('URL', allowed, (written) => {
    if (!/^https?:\/\/[^\s]+$/.test(written) || !URL.canParse(written)) return null
    const { username, password } = new URL(written)
    // No request can be made of such (fetch.spec.whatwg.org, section 5.4).
    return username === '' && password === '' ? written : null
  })
}

function isCidr(written: string): boolean {
  const [address = '', bits, rest] = written.split('/')
  const family = isIP(address)
  if (family === 0 || rest !== undefined) return false
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128))
}

/** A single address or a block of them. */
export function addressBlock() {
  return parsed(
    'address or CIDR block',
    'an address or a block such as "10.0.0.7", "10.0.0.0/8" or "fd00::/8"',
    (written) => (isCidr(written) ? written : null),
  )
}

/** A pseudonym in `Via` (RFC 9110 section 7.6.3). */
export function viaName() {
  return text(
    'name',
    /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}$/,
    'a name such as "amarre" or "edge-1", without spaces',
  )
}
