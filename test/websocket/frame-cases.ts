// What a WebSocket server is tried with, in the order of the Autobahn test suite's sections: every kind of frame that
// RFC 6455 allows, and every kind that it forbids.
import { closeFrame, frame, opcodes, type FrameOptions } from './frames.js'

/** One case: what the client writes, and how many messages and pongs a sound server answers before it is left. */
export interface FrameCase {
  readonly name: string
  readonly bytes: Buffer
  /** `refused`: the connection has to be failed. */
  readonly answers: number | 'refused'
  readonly isByteByByte?: boolean
}

const { continuation, text, binary, close, ping, pong } = opcodes
const open: FrameOptions = { fin: false }

function takes(name: string, answers: number, ...frames: readonly Buffer[]): FrameCase {
  return { name, answers, bytes: Buffer.concat(frames) }
}

function refuses(name: string, ...frames: readonly Buffer[]): FrameCase {
  return { name, answers: 'refused', bytes: Buffer.concat(frames) }
}

const lengths = [0, 1, 125, 126, 127, 128, 65_535, 65_536]

/** Section 1: framing. */
const framing: readonly FrameCase[] = [
  ...lengths.flatMap((length) => [
    takes(`text of ${length}`, 1, frame(text, '*'.repeat(length))),
    takes(`binary of ${length}`, 1, frame(binary, Buffer.alloc(length, 0xfe))),
  ]),
  { ...takes('text of 300, byte by byte', 1, frame(text, '*'.repeat(300))), isByteByByte: true },
]

/** Section 2: pings and pongs. */
const pings: readonly FrameCase[] = [
  takes('an empty ping', 1, frame(ping)),
  takes('a ping with text', 1, frame(ping, 'Hello, world!')),
  takes('a ping with bytes that are no text', 1, frame(ping, Buffer.from([0, 255, 254, 253]))),
  takes('a ping of 125', 1, frame(ping, Buffer.alloc(125, 0xfe))),
  { ...takes('a ping of 125, byte by byte', 1, frame(ping, Buffer.alloc(125, 0xfe))), isByteByByte: true },
  refuses('a ping of 126', frame(ping, Buffer.alloc(126, 0xfe))),
  takes('a pong that nobody asked for', 1, frame(pong, 'unsolicited'), frame(ping, 'after')),
  takes('an empty pong that nobody asked for', 1, frame(pong), frame(ping, 'after')),
  takes('ten pings', 10, ...Array.from({ length: 10 }, (_, i) => frame(ping, `ping ${i}`))),
]

/** Section 3: reserved bits without an extension. */
const reservedBits: readonly FrameCase[] = [1, 2, 3, 4, 5, 6, 7].flatMap((rsv) => [
  refuses(`reserved bits ${rsv} in a text`, frame(text, 'Hello', { rsv })),
  refuses(`reserved bits ${rsv} in a ping`, frame(ping, 'Hello', { rsv })),
])

/** Section 4: operation codes that nobody has given a meaning. */
const reservedOpcodes: readonly FrameCase[] = [3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((opcode) =>
  refuses(`operation code ${opcode}`, frame(opcode, 'Hello')),
)

/** Section 5: fragmentation. */
const fragmentation: readonly FrameCase[] = [
  refuses('a ping in two fragments', frame(ping, 'one', open), frame(continuation, 'two')),
  refuses('a pong in two fragments', frame(pong, 'one', open), frame(continuation, 'two')),
  takes('a text in two fragments', 1, frame(text, 'one', open), frame(continuation, 'two')),
  takes(
    'a ping between fragments',
    2,
    frame(text, 'one', open),
    frame(ping, 'between'),
    frame(continuation, 'two'),
  ),
  takes(
    'fragments and pings in turn',
    3,
    frame(text, 'one', open),
    frame(ping, 'first'),
    frame(continuation, 'two', open),
    frame(ping, 'second'),
    frame(continuation, 'three'),
  ),
  takes('empty fragments', 1, frame(text, '', open), frame(continuation, '', open), frame(continuation, '')),
  takes(
    'an empty first fragment',
    1,
    frame(text, '', open),
    frame(continuation, 'x', open),
    frame(continuation),
  ),
  refuses('a continuation of nothing', frame(continuation, 'what?')),
  refuses('an open continuation of nothing', frame(continuation, 'what?', open), frame(text, 'Hello')),
  refuses('a text within a text', frame(text, 'one', open), frame(text, 'two')),
  refuses('a binary within a text', frame(text, 'one', open), frame(binary, 'two')),
]

/** Section 6: UTF-8. */
const encoded: Readonly<Record<string, number[]>> = {
  'the first of two bytes': [0xc2, 0x80],
  'the first of three bytes': [0xe0, 0xa0, 0x80],
  'the first of four bytes': [0xf0, 0x90, 0x80, 0x80],
  'the last of one byte': [0x7f],
  'the last of two bytes': [0xdf, 0xbf],
  'the last of three bytes': [0xef, 0xbf, 0xbf],
  'the last of all': [0xf4, 0x8f, 0xbf, 0xbf],
  'before the surrogates': [0xed, 0x9f, 0xbf],
  'after the surrogates': [0xee, 0x80, 0x80],
  'the replacement character': [0xef, 0xbf, 0xbd],
  'a byte order mark': [0xef, 0xbb, 0xbf, 0x61],
}
const misencoded: Readonly<Record<string, number[]>> = {
  'a lone continuation': [0x80],
  'a lone last continuation': [0xbf],
  'a start of two alone': [0xc3],
  'a start of three with one': [0xe2, 0x82],
  'a start of four with two': [0xf0, 0x9f, 0x98],
  'a start and a letter': [0xc3, 0x41],
  '0xfe': [0xfe],
  '0xff': [0xff],
  'an overlong slash of two': [0xc0, 0xaf],
  'an overlong slash of three': [0xe0, 0x80, 0xaf],
  'an overlong slash of four': [0xf0, 0x80, 0x80, 0xaf],
  'an overlong zero': [0xc0, 0x80],
  'a surrogate': [0xed, 0xa0, 0x80],
  'a pair of surrogates': [0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80],
  'beyond the last of all': [0xf4, 0x90, 0x80, 0x80],
  'five bytes': [0xf8, 0x88, 0x80, 0x80, 0x80],
  'six bytes': [0xfc, 0x84, 0x80, 0x80, 0x80, 0x80],
}
const greek = Buffer.from('Hello-µ@ßöäüàá-κόσμε-UTF-8!!')
const utf8: readonly FrameCase[] = [
  takes('a text of many letters', 1, frame(text, greek)),
  takes(
    'letters cut in two by every fragment',
    1,
    ...[...greek].map((byte, i) => frame(i === 0 ? text : continuation, Buffer.from([byte]), open)),
    frame(continuation),
  ),
  ...Object.entries(encoded).map(([name, bytes]) => takes(name, 1, frame(text, Buffer.from(bytes)))),
  ...Object.entries(misencoded).map(([name, bytes]) => refuses(name, frame(text, Buffer.from(bytes)))),
  ...Object.entries(misencoded).map(([name, bytes]) =>
    takes(`${name}, in a binary`, 1, frame(binary, Buffer.from(bytes))),
  ),
  refuses(
    'a wrong letter in the second fragment',
    frame(text, greek, open),
    frame(continuation, Buffer.from([0xed, 0xa0, 0x80])),
  ),
]

/** Section 7: goodbyes that nobody may say. */
const goodbyes: readonly FrameCase[] = [
  refuses('a close of one byte', frame(close, 'x')),
  refuses('a close of 126', frame(close, Buffer.alloc(126, 0x2a))),
  refuses('a close with a wrong reason', closeFrame(1000, Buffer.from([0xed, 0xa0, 0x80]))),
  ...[0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65_535].map((code) =>
    refuses(`a close with ${code}`, closeFrame(code)),
  ),
]

/** Section 10: a message in many pieces. */
const pieces: readonly FrameCase[] = [
  takes(
    '65,536 bytes in fragments of 1,300',
    1,
    ...Array.from({ length: 50 }, (_, i) => frame(i === 0 ? text : continuation, '*'.repeat(1_300), open)),
    frame(continuation, '*'.repeat(536)),
  ),
]

/** All of them. */
export const frameCases: readonly FrameCase[] = [
  ...framing,
  ...pings,
  ...reservedBits,
  ...reservedOpcodes,
  ...fragmentation,
  ...utf8,
  ...goodbyes,
  ...pieces,
]
