// The response parser on bytes alone: the rules of RFC 9112, and that no split of the bytes changes anything.
import { deepStrictEqual, strictEqual } from 'node:assert'
import fc from 'fast-check'
import t from 'tap'
import { FieldNames } from '../../gateway/dataplane/upstream/field-names.js'
import { ParsedHead } from '../../gateway/dataplane/upstream/response-head.js'
import { ResponseParser, type ResponseSink } from '../../gateway/dataplane/upstream/response-parser.js'
import { fieldsOf } from './recording-handler.js'

const maxHeadBytes = 600
const known = ['content-length', 'set-cookie', 'connection']

/** Writes events as text; pieces of one body are joined, since a split may cut them anywhere. */
class TextSink implements ResponseSink {
  readonly events: string[] = []
  next: () => void = () => {}
  private readonly body: Buffer[] = []

  onInterim(head: ParsedHead): void {
    this.events.push(`interim ${head.status} ${fieldsOf(head).join('|')}`)
  }
  onHead(head: ParsedHead): void {
    const reason = head.bytes.toString('latin1', head.reasonStart, head.reasonEnd)
    const life = `${head.isPersistent} ${head.keepAliveMs}`
    const what = `${head.status} "${reason}" ${head.framing} ${head.contentLength} ${life}`
    this.events.push(`head ${what} ${fieldsOf(head).join('|')}`)
  }
  onData(chunk: Buffer): void {
    if (chunk.length === 0) this.events.push('an empty piece')
    this.body.push(Buffer.from(chunk))
  }
  onComplete(hasExtra: boolean): void {
    this.flush()
    this.events.push(hasExtra ? 'end, bytes left' : 'end')
    if (!hasExtra) this.next()
  }
  onMalformed(fault: string): void {
    this.flush()
    this.events.push(`malformed ${fault}`)
  }
  flush(): void {
    if (this.body.length > 0) this.events.push(`body ${Buffer.concat(this.body).toString('latin1')}`)
    this.body.length = 0
  }
}

/** Feeds the pieces; `isHead` of each response in turn. The bytes given are overwritten after each call. */
function parse(pieces: Buffer[], isHead: boolean[] = [false], closes = false): string[] {
  const sink = new TextSink()
  const parser = new ResponseParser(new ParsedHead(new FieldNames(known)), maxHeadBytes, sink)
  let response = 0
  sink.next = () => {
    response++
    if (response < isHead.length) parser.begin(isHead[response]!)
  }
  parser.begin(isHead[0]!)
  const shared = Buffer.alloc(64 * 1024)
  for (const piece of pieces) {
    piece.copy(shared)
    parser.feed(shared, piece.length)
    shared.fill('?')
  }
  if (closes && parser.finish()) return sink.events
  sink.flush()
  return sink.events
}

function parseText(text: string, isHead = false, closes = false): string[] {
  return parse([Buffer.from(text, 'latin1')], [isHead], closes)
}

function split(bytes: Buffer, cuts: number[]): Buffer[] {
  const points = [...new Set([0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].sort(
    (a, b) => a - b,
  )
  return points.slice(1).map((end, i) => bytes.subarray(points[i], end))
}

const everyByte = (bytes: Buffer): Buffer[] => Array.from(bytes, (_, i) => bytes.subarray(i, i + 1))

t.test('a head is read in place: status, reason, fields, kinds, framing', async (t) => {
  const text =
    'HTTP/1.1 200 OK\r\nContent-LENGTH: 5\r\nSet-Cookie:a=b\r\nX-Ä: \t caf\xe9 \t\r\nEmpty:\r\nset-cookie: c\r\n\r\nhello'
  t.same(parseText(text.replace('Ä', 'a')), [
    'head 200 "OK" length 5 true -1 1 Content-LENGTH: 5|2 Set-Cookie: a=b|0 X-a: caf\xe9|0 Empty: |2 set-cookie: c',
    'body hello',
    'end',
  ])
})

t.test('the framing follows RFC 9112 section 6.3', async (t) => {
  const cases: [string, string, boolean?][] = [
    ['HTTP/1.1 204 No Content\r\n\r\n', 'head 204 "No Content" none -1 true -1 '],
    ['HTTP/1.1 304 \r\nContent-Length: 7\r\n\r\n', 'head 304 "" none 7 true -1 1 Content-Length: 7'],
    [
      'HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n',
      'head 200 "OK" none 7 true -1 1 Content-Length: 7',
      true,
    ],
    [
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n',
      'head 200 "OK" none -1 true -1 0 Transfer-Encoding: chunked',
      true,
    ],
    ['HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', 'head 200 "OK" length 0 true -1 1 Content-Length: 0'],
    ['HTTP/1.1 205\r\ncontent-length:0\r\n\r\n', 'head 205 "" length 0 true -1 1 content-length: 0'],
    [
      'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n',
      'head 200 "OK" length 0 false -1 3 Connection: keep-alive|1 Content-Length: 0',
    ],
    [
      'HTTP/1.1 204 OK\r\nConnection: a ,\tcLOSE\r\nKeep-Alive: max=3, timeout=15\r\n\r\n',
      'head 204 "OK" none -1 false 15000 3 Connection: a ,\tcLOSE|0 Keep-Alive: max=3, timeout=15',
    ],
    [
      'HTTP/1.1 204 OK\r\nConnection: closed, enclose\r\n\r\n',
      'head 204 "OK" none -1 true -1 3 Connection: closed, enclose',
    ],
  ]
  for (const [text, head, isHead] of cases)
    t.same(parseText(text, isHead), [head, 'end'], JSON.stringify(text))
})

t.test('a response without a length ends with the connection, any other does not', async (t) => {
  const head = 'head 200 "OK" close -1 false -1 '
  t.same(parseText('HTTP/1.1 200 OK\r\n\r\nabc', false, true), [head, 'body abc', 'end'])
  t.same(parseText('HTTP/1.1 200 OK\r\n\r\n', false, true), [head, 'end'])
  const cut = parseText('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc', false, true)
  t.same(cut.slice(1), ['body abc'])
})

t.test('a connection on which a 204 announced a body carries nothing more: one may follow', async (t) => {
  for (const field of ['Content-Length: 2', 'Transfer-Encoding: chunked']) {
    const [head] = parseText(`HTTP/1.1 204 Done\r\n${field}\r\n\r\n`)
    t.match(head, / none -?\d+ false -1 /, field)
  }
  const [zero] = parseText('HTTP/1.1 204 Done\r\nContent-Length: 0\r\n\r\n')
  t.match(zero, / none 0 true -1 /, 'as many servers send it')
  const [unchanged] = parseText('HTTP/1.1 304 Same\r\nContent-Length: 2\r\n\r\n')
  t.match(unchanged, / none 2 true -1 /, 'what a 200 would have')
})

t.test('interim responses come before the final one; 101 is refused', async (t) => {
  const final = 'HTTP/1.1 204 Done\r\n\r\n'
  t.same(parseText(`HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n${final}`), [
    'interim 100 ',
    'interim 103 0 Link: x',
    'head 204 "Done" none -1 true -1 ',
    'end',
  ])
  t.same(parseText('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n'), [
    'malformed 101 without an upgrade',
  ])
})

t.test('interim responses without end are refused, whole or byte by byte', async (t) => {
  const interim = `HTTP/1.1 103 Early\r\nLink: ${'x'.repeat(400)}\r\n\r\n`
  const enough = Math.floor((16 * maxHeadBytes) / interim.length)
  const final = 'HTTP/1.1 204 Done\r\n\r\n'
  t.match(parseText(interim.repeat(enough) + final).slice(enough), [/^head 204/, 'end'])
  const beyond = interim.repeat(enough + 1) + final
  const whole = parseText(beyond)
  t.same(whole.slice(enough), ['malformed too many interim responses'])
  t.same(parse(everyByte(Buffer.from(beyond))), whole)
  const twice = parse([Buffer.from(final), Buffer.from(interim.repeat(enough) + final)], [false, false])
  t.equal(twice.at(-1), 'end', 'each request has its own')
})

t.test('a malformed head is refused, whole or byte by byte', async (t) => {
  const ok = 'HTTP/1.1 200 OK\r\n'
  const heads = [
    'HTTP/1.1 200 OK\n\n',
    'HTTP/1.1 200 OK\r\nA: b\n\r\n',
    'HTTP/1.1 200 OK\rX\r\n\r\n',
    'HTTP/1.1 20 OK\r\n\r\n',
    'HTTP/1.1 2000 OK\r\n\r\n',
    'HTTP/1.1 099 OK\r\n\r\n',
    'HTTP/1.1  200 OK\r\n\r\n',
    'HTTP/1.1 2x0 OK\r\n\r\n',
    'HTTP/1.1 200\tOK\r\n\r\n',
    'HTTP/1.1 200 O\0K\r\n\r\n',
    'HTTP/1.2 200 OK\r\n\r\n',
    'HTTP/2.0 200 OK\r\n\r\n',
    'http/1.1 200 OK\r\n\r\n',
    'HTTP/1.1\r\n\r\n',
    '\r\nHTTP/1.1 200 OK\r\n\r\n',
    'SSH-2.0-OpenSSH_9.2\r\n',
    'hello\r\n\r\n',
    `${ok}A : b\r\n\r\n`,
    `${ok} A: b\r\n\r\n`,
    `${ok}A: b\r\n c\r\n\r\n`,
    `${ok}A: b\r\n\tc: d\r\n\r\n`,
    `${ok}: b\r\n\r\n`,
    `${ok}nocolon\r\n\r\n`,
    `${ok}A\xe9: b\r\n\r\n`,
    `${ok}A(: b\r\n\r\n`,
    `${ok}A\0: b\r\n\r\n`,
    `${ok}A: b\0c\r\n\r\n`,
    `${ok}A: b\x7fc\r\n\r\n`,
    `${ok}A: b\rc\r\n\r\n`,
    `${ok}A: b\r\r\n\r\n`,
    `${ok}\rX: y\r\n\r\n`,
    `${ok}Content-Length: -1\r\n\r\n`,
    `${ok}Content-Length: +1\r\n\r\n`,
    `${ok}Content-Length: 1 1\r\n\r\n`,
    `${ok}Content-Length: 0x1\r\n\r\n`,
    `${ok}Content-Length: 1.0\r\n\r\n`,
    `${ok}Content-Length:\r\n\r\n`,
    `${ok}Content-Length: 1, 1\r\n\r\n`,
    `${ok}Content-Length: 1\r\nContent-Length: 1\r\n\r\n`,
    `${ok}Content-Length: 1\r\nContent-Length: 2\r\n\r\n`,
    `${ok}Content-Length: 1234567890123456\r\n\r\n`,
    `${ok}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n`,
    `${ok}Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n`,
    `${ok}Transfer-Encoding: gzip, chunked\r\n\r\n`,
    `${ok}Transfer-Encoding: chunked, chunked\r\n\r\n`,
    `${ok}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n`,
    `${ok}Transfer-Encoding: identity\r\n\r\n`,
    `${ok}Transfer-Encoding: xchunked\r\n\r\n`,
    `${ok}Transfer-Encoding:\r\n\r\n`,
    'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n',
    `${ok}A: ${'b'.repeat(maxHeadBytes)}\r\n\r\n`,
    `${ok}${'b'.repeat(maxHeadBytes)}`,
    `HTTP/1.1 100 Continue\r\n\r\n${ok}${'b'.repeat(maxHeadBytes)}`,
  ]
  for (const text of heads) {
    const whole = parseText(text)
    t.match(whole.at(-1), /^malformed/, JSON.stringify(text))
    t.same(parse(everyByte(Buffer.from(text, 'latin1'))), whole, 'the same byte by byte')
  }
})

t.test('a head may have 256 fields and exactly the bytes allowed, and no more', async (t) => {
  const status = 'HTTP/1.1 204 \r\n'
  const sized = (bytes: number): string => `${status}A: ${'b'.repeat(bytes - status.length - 7)}\r\n\r\n`
  t.match(parseText(sized(maxHeadBytes)), [/^head 204/, 'end'])
  t.match(parseText(sized(maxHeadBytes + 1)), ['malformed head too large'])
  const roomy = new ParsedHead(new FieldNames([]))
  const many = (fields: number): Buffer => Buffer.from(`${status}${'a:\r\n'.repeat(fields)}\r\n`)
  t.equal(roomy.parse(many(256), 0, many(256).length, false), many(256).length)
  t.equal(roomy.parse(many(257), 0, many(257).length, false), -2)
})

t.test('chunks are unframed; extensions and trailers are dropped', async (t) => {
  const head = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n'
  const bodies = [
    '5\r\nhello\r\n0\r\n\r\n',
    '2;a=b\r\nhe\r\n03 ; x="y;\xe9"\r\nllo\r\n0;end\r\nTrailer: \tx\r\nOther:\r\n\r\n',
    '0000000000005\r\nhello\r\n00\r\n\r\n',
  ]
  for (const body of bodies)
    t.same(parseText(head + body).slice(1), ['body hello', 'end'], JSON.stringify(body))
  t.same(parseText(`${head}0\r\n\r\n`).slice(1), ['end'])
  t.same(parseText(`${head}A\r\n0123456789\r\n0\r\n\r\nHTTP`).slice(1), [
    'body 0123456789',
    'end, bytes left',
  ])
})

t.test('malformed chunks are refused, whole or byte by byte', async (t) => {
  const head = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'
  const bodies = [
    '\r\n',
    'g\r\n',
    '-1\r\n',
    '0x5\r\nhello\r\n',
    ' 5\r\nhello\r\n',
    '5 \r\nhello\r\n',
    '5\nhello\r\n',
    '5\r\rhello',
    '5\r\nhelloX\n',
    '5\r\nhello\n0\r\n\r\n',
    '5\r\nhello\r\n\r\n',
    '00000000000005\r\nhello',
    'fffffffffffffff\r\n',
    '5;\0\r\nhello',
    '5;a\nb\r\nhello',
    `5;${'x'.repeat(1100)}\r\nhello`,
    `5${' '.repeat(1100)};\r\nhello`,
    '0\r\nTrailer : x\r\n\r\n',
    '0\r\n: x\r\n\r\n',
    '0\r\n folded\r\n\r\n',
    '0\r\nA: b\nB: c\r\n\r\n',
    '0\r\nA\r\n\r\n',
    '0\r\n\rX',
    `0\r\nA: ${'x'.repeat(maxHeadBytes)}\r\n\r\n`,
  ]
  for (const body of bodies) {
    const whole = parseText(head + body)
    t.match(whole.at(-1), /^malformed/, JSON.stringify(body))
    t.same(parse(everyByte(Buffer.from(head + body, 'latin1'))), whole, 'the same byte by byte')
  }
})

const body = fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes).toString('latin1'))
const token = fc
  .stringMatching(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,12}$/)
  .filter((name) => !/^(con|tra|kee)/i.test(name))
const value = fc.stringMatching(/^[!-~\x80-\xff]([ -~\t\x80-\xff]{0,20}[!-~\x80-\xff])?$/)
const fields = fc
  .array(fc.tuple(token, value), { maxLength: 6 })
  .map((list) => list.map(([name, value]) => `${name}: ${value}\r\n`).join(''))
const interim = fields.map((lines) => `HTTP/1.1 103 Early Hints\r\n${lines}\r\n`)
const framed = fc.oneof(
  body.map((text) => ({ field: `Content-Length: ${text.length}\r\n`, bytes: text, text })),
  fc.array(body, { maxLength: 4 }).map((pieces) => {
    const chunks = pieces
      .filter((piece) => piece !== '')
      .map((piece) => `${piece.length.toString(16)};x\r\n${piece}\r\n`)
    return {
      field: 'Transfer-Encoding: chunked\r\n',
      bytes: `${chunks.join('')}0\r\nT: u\r\n\r\n`,
      text: pieces.join(''),
    }
  }),
)
const response = fc.tuple(fc.array(interim, { maxLength: 2 }), fields, framed, fc.boolean())
const cuts = fc.array(fc.nat(), { maxLength: 12 })

t.test('any split of the bytes gives the same events', async () => {
  fc.assert(
    fc.property(fc.array(response, { minLength: 1, maxLength: 4 }), cuts, (responses, cuts) => {
      const wire = responses.map(([before, fields, framed, isHead]) => {
        const head = `${before.join('')}HTTP/1.1 200 OK\r\n${fields}${framed.field}\r\n`
        return Buffer.from(head + (isHead ? '' : framed.bytes), 'latin1')
      })
      const isHead = responses.map(([, , , isHead]) => isHead)
      // responses never share a read: the next request is only sent when the answer is complete
      const bodies = responses.flatMap(([, , framed, isHead]) =>
        isHead || framed.text === '' ? [] : [framed.text],
      )
      const whole = parse(wire, isHead)
      deepStrictEqual(
        whole.filter((event) => event.startsWith('body ')),
        bodies.map((text) => `body ${text}`),
      )
      strictEqual(whole.filter((event) => event === 'end').length, responses.length)
      deepStrictEqual(
        parse(
          wire.flatMap((bytes) => split(bytes, cuts)),
          isHead,
        ),
        whole,
      )
      deepStrictEqual(parse(wire.flatMap(everyByte), isHead), whole)
    }),
    { numRuns: 300 },
  )
})

t.test('any split of damaged bytes gives the same events too', async () => {
  const damage = fc.tuple(
    fc.nat(),
    fc.constantFrom('\0', '\r', '\n', ' ', ':', '\t', ';', '0', 'x', '\r\n', ''),
  )
  fc.assert(
    fc.property(
      response,
      fc.array(damage, { minLength: 1, maxLength: 3 }),
      cuts,
      (response, damages, cuts) => {
        const [before, fields, framed] = response
        let text = `${before.join('')}HTTP/1.1 200 OK\r\n${fields}${framed.field}\r\n${framed.bytes}`
        for (const [position, bytes] of damages) {
          const at = position % text.length
          text = text.slice(0, at) + bytes + text.slice(at + 1)
        }
        const bytes = Buffer.from(text, 'latin1')
        const settle = (events: string[]): string[] =>
          events.map((event) => event.replace('end, bytes left', 'end'))
        const whole = settle(parse([bytes]))
        deepStrictEqual(settle(parse(split(bytes, cuts))), whole)
        deepStrictEqual(settle(parse(everyByte(bytes))), whole)
      },
    ),
    { numRuns: 500 },
  )
})

t.test('nothing is delivered after a stop in the middle of an event', async (t) => {
  const wire = Buffer.from(
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n',
  )
  for (const moment of ['onHead', 'onData'] as const) {
    const sink = new TextSink()
    const parser = new ResponseParser(new ParsedHead(new FieldNames([])), maxHeadBytes, sink)
    const original = sink[moment].bind(sink) as (given: never) => void
    Object.assign(sink, {
      [moment]: (given: never) => {
        original(given)
        parser.stop()
      },
    })
    parser.begin(false)
    parser.feed(wire, wire.length)
    sink.flush()
    t.equal(sink.events.length, moment === 'onHead' ? 1 : 2)
  }
})
