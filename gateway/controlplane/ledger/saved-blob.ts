// The envelope of every saved piece of the ledger: what it is, its version, its numbers and a checksum. Little-endian,
// as every platform that the gateway runs on. Knows nothing of what the body holds.
import { crc32 } from 'node:zlib'

/** Raised for saved sessions that cannot be read; the caller then treats the state as lost. */
export class SavedSessionsError extends Error {
  override readonly name = 'SavedSessionsError'
}

/** A batch of changes, or the snapshot of one segment. */
export type BlobKind = 'batch' | 'segment'

/** What the envelope says. */
export interface BlobHeader {
  readonly kind: BlobKind
  /** Of the whole ledger: decides which ids belong to which segment. */
  readonly segmentCount: number
  readonly rows: number
  /** The batch's own number, or that of the last batch which the segment's snapshot holds. */
  readonly batchNumber: number
  /** Batch: the instant as of which it was saved. Segment: which one it is. */
  readonly mark: number
}

const version = 1
const headerBytes = 40
const magics: Record<BlobKind, number> = { batch: 0x424c4d41, segment: 0x534c4d41 }

/** A piece to be filled in and sealed; its body begins at a multiple of eight. */
export function newBlob(
  header: BlobHeader,
  bodyBytes: number,
): { bytes: Uint8Array; body: ArrayBuffer; at: number } {
  const body = new ArrayBuffer(headerBytes + bodyBytes)
  const view = new DataView(body)
  view.setUint32(0, magics[header.kind], true)
  view.setUint32(4, version, true)
  view.setUint32(8, header.segmentCount, true)
  view.setUint32(12, header.rows, true)
  view.setFloat64(16, header.batchNumber, true)
  view.setFloat64(24, header.mark, true)
  return { bytes: new Uint8Array(body), body, at: headerBytes }
}

/** Writes the checksum; the piece is then ready to be stored. */
export function sealBlob(bytes: Uint8Array): Uint8Array {
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(32, checksum(bytes), true)
  return bytes
}

/** Reads a piece back, copied and aligned; throws SavedSessionsError when it is damaged or of a newer version. */
export function openBlob(
  kind: BlobKind,
  stored: Uint8Array,
): { header: BlobHeader; body: ArrayBuffer; at: number } {
  if (stored.byteLength < headerBytes) throw new SavedSessionsError(`saved ${kind} is cut short`)
  const bytes = new Uint8Array(stored)
  const view = new DataView(bytes.buffer)
  if (view.getUint32(0, true) !== magics[kind]) throw new SavedSessionsError(`saved ${kind} is not one`)
  const found = view.getUint32(4, true)
  if (found !== version) {
    throw new SavedSessionsError(`saved ${kind} has version ${found}, this program reads ${version}`)
  }
  if (view.getUint32(32, true) !== checksum(bytes)) {
    throw new SavedSessionsError(`saved ${kind} is damaged: its checksum does not hold`)
  }
  return { header: readHeader(kind, view), body: bytes.buffer, at: headerBytes }
}

/** Throws SavedSessionsError unless the body is as long as its rows need. */
export function expectBody(kind: BlobKind, actual: number, needed: number): void {
  if (actual !== needed)
    throw new SavedSessionsError(`saved ${kind} is damaged: ${actual} bytes, not ${needed}`)
}

function readHeader(kind: BlobKind, view: DataView): BlobHeader {
  const segmentCount = view.getUint32(8, true)
  if (segmentCount === 0 || (segmentCount & (segmentCount - 1)) !== 0 || segmentCount > 65_536) {
    throw new SavedSessionsError(`saved ${kind} is damaged: ${segmentCount} segments`)
  }
  return {
    kind,
    segmentCount,
    rows: view.getUint32(12, true),
    batchNumber: view.getFloat64(16, true),
    mark: view.getFloat64(24, true),
  }
}

function checksum(bytes: Uint8Array): number {
  return crc32(bytes.subarray(headerBytes), crc32(bytes.subarray(0, 32)))
}
