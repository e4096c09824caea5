// What the writer of requests gives its socket: every byte once and in order, in as few writes as possible, and nothing
// that its caller overwrites afterwards.
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import t from 'tap'
import { RequestWriter } from '../../gateway/dataplane/upstream/request-writer.js'

/** A socket that keeps each write as the system would be given it; a slow one takes a turn for each. */
class Sink extends Duplex {
  readonly writes: Buffer[] = []
  readonly #isSlow: boolean

  constructor(isSlow = false) {
    super({ writableHighWaterMark: 64 * 1024 })
    this.#isSlow = isSlow
  }

  override _read(): void {}

  override _write(chunk: Buffer, _: BufferEncoding, done: () => void): void {
    this.#take([chunk], done)
  }

  override _writev(chunks: { chunk: Buffer }[], done: () => void): void {
    this.#take(
      chunks.map(({ chunk }) => chunk),
      done,
    )
  }

  /** The bytes are read when the write is done, as the system does. */
  #take(chunks: Buffer[], done: () => void): void {
    const finish = (): void => {
      this.writes.push(Buffer.concat(chunks))
      done()
    }
    if (this.#isSlow) setImmediate(finish)
    else finish()
  }

  get text(): string {
    return Buffer.concat(this.writes).toString('latin1')
  }
}

function begun(
  head: string,
  framing: 'length' | 'chunked' | 'none',
  sink = new Sink(),
): [RequestWriter, Sink] {
  const writer = new RequestWriter(sink as unknown as Socket)
  writer.open()
  writer.begin(head, framing)
  return [writer, sink]
}

t.test('a request without a body leaves at once', async (t) => {
  const [writer, sink] = begun('GET', 'none')
  t.same(sink.writes.map(String), ['GET'])
  t.notOk(writer.isHeld)
})

t.test('a body that is there already leaves in one write with its head', async (t) => {
  const [writer, sink] = begun('POST', 'length')
  t.ok(writer.isHeld, 'nothing has left yet')
  writer.write(Buffer.alloc(16 * 1024, 'b'))
  writer.end()
  t.equal(sink.writes.length, 1)
  t.equal(sink.text, `POST${'b'.repeat(16 * 1024)}`)
  t.ok(writer.isComplete)
})

t.test('so does the end of an empty body', async (t) => {
  const [writer, sink] = begun('POST', 'chunked')
  writer.end()
  t.same(sink.writes.map(String), ['POST0\r\n\r\n'])
})

t.test('a head whose body does not come in the same turn leaves alone', async (t) => {
  const [writer, sink] = begun('POST', 'length')
  await turn()
  t.same(sink.writes.map(String), ['POST'])
  writer.write(Buffer.from('body'))
  t.same(sink.writes.map(String), ['POST', 'body'])
})

t.test('nothing leaves before the socket is connected; then all of it, in one write', async (t) => {
  const sink = new Sink()
  const writer = new RequestWriter(sink as unknown as Socket)
  writer.begin('POST', 'length')
  writer.write(Buffer.from('body'))
  await turn()
  t.same(sink.writes, [])
  t.ok(writer.isHeld)
  writer.open()
  t.same(sink.writes.map(String), ['POSTbody'])
  t.notOk(writer.isHeld)
})

t.test('the head of a request that was given up is written nowhere', async (t) => {
  const [, sink] = begun('POST', 'length')
  sink.on('error', (error) => t.fail(error.message))
  sink.destroy()
  await turn()
  await turn()
  t.same(sink.writes, [])
})

t.test('whatever the pieces, each byte leaves once and in order, as it was when it came', async (t) => {
  const piece = fc.tuple(fc.oneof(fc.nat(300), fc.nat(200_000)), fc.boolean())
  const property = fc.asyncProperty(
    fc.constantFrom(4, 2000, 70_000),
    fc.array(piece, { maxLength: 5 }),
    fc.constantFrom('length' as const, 'chunked' as const),
    fc.boolean(),
    async (headBytes, pieces, framing, isSlow) => {
      const head = 'h'.repeat(headBytes)
      const [writer, sink] = begun(head, framing, new Sink(isSlow))
      let body = ''
      for (const [i, [bytes, waits]] of pieces.entries()) {
        const letter = String.fromCharCode(97 + i)
        const given = Buffer.alloc(bytes, letter)
        writer.write(given)
        given.fill('!')
        body += letter.repeat(bytes)
        if (waits) await turn()
      }
      writer.end()
      while (sink.writableLength > 0) await turn()
      const text = sink.text
      if (!text.startsWith(head)) return false
      return (framing === 'length' ? text.slice(headBytes) : unchunked(text.slice(headBytes))) === body
    },
  )
  await fc.assert(property, { numRuns: 60 })
  t.pass()
})

/** RFC 9112 section 7.1, without extensions and trailers. */
function unchunked(text: string): string {
  let body = ''
  for (let at = 0; ;) {
    const line = text.indexOf('\r\n', at)
    const size = Number.parseInt(text.slice(at, line), 16)
    const start = line + 2
    if (text.slice(start + size, start + size + 2) !== '\r\n') throw new Error(`no CRLF after ${size} bytes`)
    if (size === 0) return text.length === start + 2 ? body : `${body} and more`
    body += text.slice(start, start + size)
    at = start + size + 2
  }
}
