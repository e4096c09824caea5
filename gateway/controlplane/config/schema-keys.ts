// All keys of a kind of file as a flat table, drawn from its JSON Schema: what the environment, the suggestions and
// the reference page are made of. Knows nothing of what the keys mean.
import { z } from 'zod'
import { gatewaySchema } from './gateway-schema.js'
import { registrationSchema } from './registration-schema.js'
import { siteSchema } from './site-schema.js'

/** The kinds of configuration file. */
export type FileKind = 'gateway' | 'site' | 'registration'

/** One key: `session.idleTimeout`; a list's entries are `windows[]`. */
export interface SchemaKey {
  readonly path: string
  /** Without the path: `idleTimeout`. */
  readonly name: string
  /** The path of the key that it belongs to; empty at the top. */
  readonly parent: string
  /** What may stand there, in words. */
  readonly type: string
  readonly isRequired: boolean
  /** Undefined where there is none. */
  readonly defaultValue: unknown
  readonly description: string
  /** Whether it holds further keys. */
  readonly isSection: boolean
}

/** A JSON Schema as zod writes it, as far as it is read here. */
export interface JsonSchema {
  readonly type?: string | readonly string[]
  readonly title?: string
  readonly description?: string
  readonly default?: unknown
  readonly enum?: readonly string[]
  readonly const?: string
  readonly anyOf?: readonly JsonSchema[]
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: readonly string[]
  readonly items?: JsonSchema
  readonly additionalProperties?: JsonSchema | boolean
}

const schemas = { gateway: gatewaySchema, site: siteSchema, registration: registrationSchema } as const

/** The JSON Schema of what people write in a kind of file. */
export function jsonSchemaOf(kind: FileKind): JsonSchema {
  return z.toJSONSchema(schemas[kind], { io: 'input' }) as JsonSchema
}

function typeInWords(schema: JsonSchema): string {
  if (schema.anyOf !== undefined) return schema.anyOf.map(typeInWords).join(' or ')
  if (schema.title !== undefined) return schema.title
  if (schema.const !== undefined) return `\`${schema.const}\``
  if (schema.enum !== undefined) return schema.enum.map((word) => `\`${word}\``).join(' or ')
  if (schema.type === 'array') return `list of ${typeInWords(schema.items ?? {})}`
  if (schema.type === 'object')
    return typeof schema.additionalProperties === 'object' ? mapInWords(schema) : 'map'
  if (schema.type === 'boolean') return '`true` or `false`'
  if (schema.type === 'integer') return 'whole number'
  if (schema.type === 'null') return '`null`'
  return 'text'
}

function mapInWords({ additionalProperties }: JsonSchema): string {
  return `map of ${typeInWords(typeof additionalProperties === 'object' ? additionalProperties : {})}`
}

function optionsOf(schema: JsonSchema): readonly JsonSchema[] {
  return schema.anyOf ?? [schema]
}

function entriesOf(schema: JsonSchema, parent: string): readonly SchemaKey[] {
  const own = optionsOf(schema).flatMap((option) =>
    Object.entries(option.properties ?? {}).flatMap(([name, value]) => {
      const path = parent === '' ? name : `${parent}.${name}`
      const isRequired = option.required?.includes(name) === true
      return [keyOf({ path, name, parent, isRequired }, value), ...entriesOf(value, path)]
    }),
  )
  const items = optionsOf(schema).flatMap((option) => entriesOfItems(option, parent))
  return [...own, ...items]
}

function entriesOfItems({ items }: JsonSchema, parent: string): readonly SchemaKey[] {
  return items === undefined ? [] : entriesOf(items, `${parent}[]`)
}

type KeyPlace = Pick<SchemaKey, 'path' | 'name' | 'parent' | 'isRequired'>

function keyOf(place: KeyPlace, schema: JsonSchema): SchemaKey {
  return {
    ...place,
    type: typeInWords(schema),
    defaultValue: schema.default,
    description: schema.description ?? '',
    isSection: optionsOf(schema).every((option) => option.properties !== undefined),
  }
}

function tableOf(kind: FileKind): readonly SchemaKey[] {
  const keys = entriesOf(jsonSchemaOf(kind), '')
  return keys.filter((key, index) => keys.findIndex(({ path }) => path === key.path) === index)
}

const tables = new Map<FileKind, readonly SchemaKey[]>()

/** Every key of a kind of file, in order of the schema, each once. */
export function keysOf(kind: FileKind): readonly SchemaKey[] {
  const table = tables.get(kind) ?? tableOf(kind)
  tables.set(kind, table)
  return table
}
