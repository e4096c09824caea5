// `amarre init [DIR]`: a first configuration to fill in, which passes `amarre check` as it is.
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Failure } from './failure.js'
import type { ExitCode } from './failure.js'
import { readOrNull } from './gateway-place.js'
import type { Terminal } from './terminal.js'

const gatewayYaml = `# The gateway itself. Every key is optional; these are the ones that most people look for first.
listen:
  http: 0.0.0.0:8080 # where visitors arrive

admin:
  listen: 127.0.0.1:9901 # metrics, API, "amarre status"; reading needs no token, so keep it inside

state:
  directory: ./state # keys and sessions, relative to the working directory; must survive a restart

# Load balancers in front of the gateway, whose X-Forwarded-* fields are believed.
trustedProxies: []
`

const siteYaml = `# One application. The name of the folder is the name of the site.
hosts: ["*"] # any host; or a list of names such as shop.example.com

session:
  # At least the idle time of the application's own session, or visitors lose theirs when it is retired.
  idleTimeout: 30m
  maxAge: 7d

health:
  path: /healthz # must answer 200 to 399; null probes by connecting only
`

const releaseYaml = `# One release. The name of the file is its version. Dropping the next file beside this one deploys the next release:
# new sessions begin there, those of this one stay here until the last has gone.
targets:
  - http://127.0.0.1:3000

activate: auto # takes new sessions as soon as every target is healthy; manual waits for you
`

const files: Readonly<Record<string, string>> = {
  'gateway.yaml': gatewayYaml,
  'sites/my-site/site.yaml': siteYaml,
  'sites/my-site/releases/1.0.0.yaml': releaseYaml,
}

/** Writes the files; writes none where one of them is there already. */
export async function init(directory: string, terminal: Terminal): Promise<ExitCode> {
  const paths = Object.keys(files).map((file) => join(directory, file))
  for (const path of paths) {
    if ((await readOrNull(path)) !== null)
      throw new Failure(`"${path}" is there already, and nothing was written`)
  }
  for (const [file, content] of Object.entries(files)) {
    const path = join(directory, file)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, content, { flag: 'wx' })
  }
  terminal.out.write(`${paths.map((path) => `wrote ${path}`).join('\n')}\n${nextSteps(directory)}`)
  return 0
}

function nextSteps(directory: string): string {
  return `
next: set the targets of your application in ${join(directory, 'sites/my-site/releases/1.0.0.yaml')}
then: amarre check ${directory}
and:  amarre start --config ${directory}
`
}
