// Adds to package-lock.json the optional packages that the registry did not offer for this install, so that `npm ci`
// accepts the lock. npm leaves an optional package that it cannot find out of the lock and `npm ci` then refuses the
// lock as incomplete; an entry with the right `os` and `cpu` is enough for it to be known and skipped elsewhere.
// Runs after every install; changes nothing when nothing is missing.
import { readFileSync, writeFileSync } from 'node:fs'

const lockUrl = new URL('../package-lock.json', import.meta.url)
const operatingSystems = ['aix', 'android', 'darwin', 'freebsd', 'linux', 'openharmony', 'sunos', 'win32']
const architectures = ['arm', 'arm64', 'ia32', 'ppc64', 'riscv64', 's390x', 'x64']

/** What a platform package's name says of its platform: `@uwsjs/linux-arm64-22` runs on linux and arm64. */
function platformOf(name) {
  const words = name.split(/[/-]/)
  const os = operatingSystems.filter((word) => words.includes(word))
  const cpu = architectures.filter((word) => words.includes(word))
  return { ...(os.length > 0 ? { os } : {}), ...(cpu.length > 0 ? { cpu } : {}) }
}

function missingEntries(packages) {
  const missing = {}
  for (const [path, entry] of Object.entries(packages)) {
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      const known = packages[`node_modules/${name}`] ?? packages[`${path}/node_modules/${name}`]
      if (!known) missing[`node_modules/${name}`] = { version, optional: true, ...platformOf(name) }
    }
  }
  return missing
}

let lock
try {
  lock = JSON.parse(readFileSync(lockUrl, 'utf8'))
} catch (error) {
  if (error.code === 'ENOENT') process.exit(0)
  throw error
}
const missing = missingEntries(lock.packages)
if (Object.keys(missing).length > 0) {
  const root = lock.packages['']
  const rest = Object.entries({ ...lock.packages, ...missing }).filter(([path]) => path !== '')
  rest.sort(([a], [b]) => (a < b ? -1 : 1))
  lock.packages = { '': root, ...Object.fromEntries(rest) }
  writeFileSync(lockUrl, `${JSON.stringify(lock, null, 2)}\n`)
}
