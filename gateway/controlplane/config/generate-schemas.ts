// A script: writes the JSON Schemas and the reference page from the schemas; with `--check` it says which of the files
// are not what it would write. Run by `npm run schemas`.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { fileKinds, schemaPath, schemaText } from './json-schema.js'
import { referencePage } from './reference-page.js'

/** Every generated file: its path in the project and its text. */
export function generatedFiles(): ReadonlyMap<string, string> {
  const schemas = fileKinds.map((kind) => [schemaPath(kind), schemaText(kind)] as const)
  return new Map([...schemas, ['docs/configuration.md', referencePage()]])
}

/** The generated files that are missing in a project or differ there. */
export function staleFiles(project: string): readonly string[] {
  const isStale = ([path, text]: readonly [string, string]): boolean => {
    const file = join(project, path)
    return !existsSync(file) || readFileSync(file, 'utf8') !== text
  }
  return [...generatedFiles()].filter(isStale).map(([path]) => path)
}

/** The folder of the project's package.json, from a folder in it (sources and compiled files lie differently deep). */
export function projectOf(folder: string): string {
  if (existsSync(join(folder, 'package.json'))) return folder
  if (folder === dirname(folder)) throw new Error('there is no package.json above this script')
  return projectOf(dirname(folder))
}

function write(project: string): void {
  for (const [path, text] of generatedFiles()) {
    mkdirSync(dirname(join(project, path)), { recursive: true })
    writeFileSync(join(project, path), text)
  }
}

function check(project: string): void {
  const stale = staleFiles(project)
  for (const path of stale) console.error(`${path}: not what its schema says; run "npm run schemas"`)
  process.exitCode = stale.length === 0 ? 0 : 1
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const project = projectOf(import.meta.dirname)
  if (process.argv.includes('--check')) check(project)
  else write(project)
}
