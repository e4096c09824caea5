// What the architecture rules look at: the project's files, their text and their imports. Knows no rule.
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs'
import { dirname, join, posix, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

/** One source file of the gateway. */
export interface SourceFile {
  /** From the gateway's folder on: `domain/ids.ts`. */
  readonly path: string
  readonly text: string
  readonly lines: readonly string[]
  /** Files of the gateway that it imports, as `path` names them; types and `import()` count too. */
  readonly imports: readonly string[]
  /** Outside packages that it imports: `zod`, `node:fs`. */
  readonly packages: readonly string[]
}

/** The folder of package.json; compiled files lie deeper than their sources. */
export const project = folderOfPackage(dirname(fileURLToPath(import.meta.url)))

function folderOfPackage(folder: string): string {
  if (existsSync(join(folder, 'package.json'))) return folder
  if (folder === dirname(folder)) throw new Error('there is no package.json above this test')
  return folderOfPackage(dirname(folder))
}

/** All files under a folder or the file itself, as paths from the project on; none where it does not exist. */
export function filesUnder(place: string): readonly string[] {
  const full = join(project, place)
  if (!existsSync(full)) return []
  if (statSync(full).isFile()) return [place]
  return readdirSync(full, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(project, join(entry.parentPath, entry.name)))
}

/** Whether the project has such a file or folder. */
export function isThere(path: string): boolean {
  return existsSync(join(project, path))
}

/** The text of a file of the project. */
export function textOf(path: string): string {
  return readFileSync(join(project, path), 'utf8')
}

/** Every TypeScript file under `gateway/`. */
export function gatewaySources(): readonly SourceFile[] {
  return filesUnder('gateway')
    .filter((path) => path.endsWith('.ts'))
    .map((path) => sourceFile(relative('gateway', path), textOf(path)))
}

function sourceFile(path: string, text: string): SourceFile {
  const named = ts.preProcessFile(text, true, true).importedFiles.map(({ fileName }) => fileName)
  const isInside = (name: string): boolean => name.startsWith('.')
  return {
    path,
    text,
    lines: text.trimEnd().split('\n'),
    imports: named
      .filter(isInside)
      .map((name) => posix.join(posix.dirname(path), name).replace(/\.js$/, '.ts')),
    packages: named.filter((name) => !isInside(name)),
  }
}
