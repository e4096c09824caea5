// The published JSON Schemas, by which editors complete and check configuration files. Drawn from the schemas that
// the gateway itself reads with.
import { jsonSchemaOf } from './schema-keys.js'
import type { FileKind } from './schema-keys.js'

const titles: Readonly<Record<FileKind, string>> = {
  gateway: 'Amarre: gateway.yaml',
  site: 'Amarre: sites/NAME/site.yaml',
  registration: 'Amarre: sites/NAME/releases/VERSION.yaml',
}

/** The kinds of file, in the order in which they are published. */
export const fileKinds: readonly FileKind[] = ['gateway', 'site', 'registration']

/** Where a kind's schema is published, relative to the project. */
export function schemaPath(kind: FileKind): string {
  return `config/schema/${kind}.schema.json`
}

/** The text of a kind's JSON Schema. */
export function schemaText(kind: FileKind): string {
  const { $schema, ...rest } = { $schema: '', ...jsonSchemaOf(kind) }
  return `${JSON.stringify({ $schema, title: titles[kind], ...rest }, null, 2)}\n`
}
