// Looks at a store's file before lmdb maps it into memory: what is no store, or is cut short, would end the whole
// process there by a signal. Must not know what the store holds.
import { closeSync, fstatSync, ftruncateSync, openSync, readSync } from 'node:fs'

/*
 * Both of the first two pages are meta pages (lmdb's data version 2, little-endian):
 *
 *   0   page header: its number, …, at 18 its flags
 *   24  magic 0xBEEFC0DE
 *   48  page size, and at 88 the root page of the free list
 *   136 root page of the database of databases
 *   144 number of the last page in use
 */
const magic = 0xbeefc0de
const metaBytes = 160
const noRoot = 2n ** 64n - 1n
const branchOrLeaf = 0x03
const pageSizes: ReadonlySet<number> = new Set([512, 1024, 2048, 4096, 8192, 16_384, 32_768, 65_536])

interface Meta {
  readonly pageSize: number
  readonly lastPage: number
  readonly roots: readonly bigint[]
}

/** True for a store, false for an empty file; throws when the file is something else. */
export function checkLmdbFile(file: string): boolean {
  const descriptor = openSync(file, 'r+')
  try {
    const { size } = fstatSync(descriptor)
    if (size === 0) return false
    const metas = readMetas(descriptor)
    if (metas.length < 2) throw new Error(`state store "${file}" is damaged: not an lmdb file`)
    if (!metas.some((meta) => hasRoots(descriptor, meta))) {
      throw new Error(`state store "${file}" is damaged: no database found in it`)
    }
    // Missing pages then read as empty ones: lmdb reports those, or never looks at them; past the end it would crash.
    const needed = Math.max(...metas.map((meta) => (meta.lastPage + 1) * meta.pageSize))
    if (size < needed) ftruncateSync(descriptor, needed)
    return true
  } finally {
    closeSync(descriptor)
  }
}

function readMetas(descriptor: number): Meta[] {
  const first = readMeta(descriptor, 0)
  const second = first === null ? null : readMeta(descriptor, first.pageSize)
  return first === null || second === null ? [] : [first, second]
}

function readMeta(descriptor: number, at: number): Meta | null {
  const bytes = Buffer.alloc(metaBytes)
  if (readSync(descriptor, bytes, 0, metaBytes, at) < metaBytes) return null
  if (bytes.readUInt32LE(24) !== magic) return null
  const pageSize = bytes.readUInt32LE(48)
  const lastPage = Number(bytes.readBigUInt64LE(144))
  if (!pageSizes.has(pageSize) || lastPage >= 2 ** 40) return null
  return { pageSize, lastPage, roots: [bytes.readBigUInt64LE(88), bytes.readBigUInt64LE(136)] }
}

function hasRoots(descriptor: number, meta: Meta): boolean {
  return meta.roots.every((root) => root === noRoot || isTreePage(descriptor, root, meta.pageSize))
}

function isTreePage(descriptor: number, page: bigint, pageSize: number): boolean {
  const header = Buffer.alloc(24)
  readSync(descriptor, header, 0, header.length, page * BigInt(pageSize))
  return header.readBigUInt64LE(0) === page && (header.readUInt16LE(18) & branchOrLeaf) !== 0
}
