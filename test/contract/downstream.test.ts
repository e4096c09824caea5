// The contract of `Downstream`, proved on every front and protocol: what the exchange says is what the client gets, and
// the other way round. What a front declares that it cannot do is proved to be harmless.
import t from 'tap'
import type { HttpResponse } from 'uWebSockets.js'
import { SlowBodies } from '../../gateway/adapters/slow-bodies.js'
import { UwsBody } from '../../gateway/adapters/uws-body.js'
import { Gate, noLimits } from '../../gateway/dataplane/gate.js'
import type { FieldBlock } from '../../gateway/dataplane/downstream.js'
import { RawClient } from '../fixtures/raw-client.js'
import { until } from '../fixtures/until.js'
import { ask, fronts, get, plainStart, startFront, type Scripted } from './fronts.js'

const mebibyte = 1024 * 1024

/** A received head as the upstream parser hands it over: three runs around what was dropped. */
function receivedFields(): FieldBlock {
  const bytes = Buffer.from(
    'HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nServer: x\r\nX-Name: \xe9t\xe9\r\nDate: Sat, 01 Jan 2000 00:00:00 GMT\r\nVary: a\r\n\r\n',
    'latin1',
  )
  const run = (first: string, last: string): number[] => {
    const start = bytes.indexOf(first)
    return [start, bytes.indexOf(':', start), bytes.indexOf('\r\n', bytes.indexOf(last))]
  }
  return {
    bytes,
    runs: [...run('Set-Cookie: a', 'Set-Cookie: b'), ...run('X-Name', 'Vary')],
    lines: 'Set-Cookie: c=3\r\nCache-Control: private',
  }
}

/** Answers without end, as fast as the client takes it. */
function pour(scripted: Scripted): void {
  const { downstream } = scripted
  const piece = Buffer.alloc(64 * 1024, 'x')
  const go = (): void => {
    do downstream.write(piece)
    while (scripted.aborts === 0 && downstream.flush())
    if (scripted.aborts === 0) void scripted.drained().then(go)
  }
  downstream.start(plainStart)
  // Within the handler a front may put the answer off.
  setImmediate(go)
}

for (const name of fronts) {
  const isHttp2 = name === 'node by HTTP/2'

  t.test(`${name}: the request's head comes byte for byte, repeated fields in order`, async (t) => {
    const front = await startFront(t, name, (scripted) => scripted.answer('ok'))
    const fields = ['X-A', '1', 'x-name', 'n\xe9t\xe9n', 'X-A', '2', 'Cookie', 'a=1']
    const { status } = await get(t, front, { path: '/a//b/../c%2f?x=1&x=&&y=%20?', fields })
    const head = front.begun[0]!.downstream.head
    t.equal(status, 200)
    t.equal(head.method, 'GET')
    t.equal(head.target, '/a//b/../c%2f?x=1&x=&&y=%20?')
    t.equal(head.path, '/a//b/../c%2f')
    t.equal(head.remoteAddress, '127.0.0.1')
    t.equal(head.isSecure, name !== 'uws' && name !== 'node')
    const kept = head.names.flatMap((each, i) =>
      /^x-|^host|^cookie/.test(each) ? [[each, head.values[i]]] : [],
    )
    const expected = [
      ['cookie', 'a=1'],
      ['host', 'front.test'],
      ['x-a', '1'],
      ['x-a', '2'],
      ['x-name', 'n\xe9t\xe9n'],
    ]
    t.same(kept.sort(), expected)
    t.same(front.faults, [])
  })

  t.test(`${name}: the answer's fields go out byte for byte, Set-Cookie repeated in order`, async (t) => {
    const front = await startFront(t, name, (scripted) =>
      scripted.answer('ok', { status: 203, fields: receivedFields() }),
    )
    const { status, fields, text } = await get(t, front)
    t.equal(status, 203)
    t.equal(await text(), 'ok')
    const dates = fields.filter(([field]) => field === 'date')
    if (front.listener.abilities.writesDate) t.not(dates.at(-1)?.[1], undefined, 'a Date of its own')
    else t.same(dates, [['date', 'Sat, 01 Jan 2000 00:00:00 GMT']])
    t.same(
      fields.filter(([field]) => field === 'set-cookie').map(([, value]) => value),
      ['a=1', 'b=2', 'c=3'],
    )
    t.same(
      fields.filter(([field]) => /^(x-name|vary|cache-control|content-length|server)$/.test(field)).sort(),
      [
        ['cache-control', 'private'],
        ['content-length', '2'],
        ['vary', 'a'],
        ['x-name', '\xe9t\xe9'],
      ],
    )
  })

  t.test(`${name}: the answer's fields go out byte for byte also before its body`, async (t) => {
    const lines = 'X-Name: caf\xe9 \xc3\xa9'
    const front = await startFront(t, name, ({ downstream }) => {
      const bytes = Buffer.from(lines, 'latin1')
      const fields = { bytes, runs: [0, 'X-Name'.length, bytes.length], lines: '' }
      downstream.start({ ...plainStart, fields, framing: 'length', contentLength: 4 })
      downstream.flush()
      setImmediate(() => {
        downstream.write(Buffer.from('body'))
        downstream.end()
        downstream.flush()
      })
    })
    const { fields, text } = await get(t, front)
    t.same(
      fields.filter(([field]) => field === 'x-name').map(([, value]) => value),
      ['caf\xe9 \xc3\xa9'],
    )
    t.equal(await text(), 'body')
  })

  t.test(`${name}: answers without a body have none, and HEAD tells the length of a GET`, async (t) => {
    const front = await startFront(t, name, ({ downstream }) => {
      const status = Number(downstream.head.path.slice(1))
      const contentLength = downstream.head.method === 'HEAD' ? 1_000 : -1
      downstream.start({ ...plainStart, status, framing: 'none', contentLength })
      downstream.end()
      downstream.flush()
    })
    for (const [method, status] of [
      ['HEAD', 200],
      ['GET', 204],
      ['GET', 304],
    ] as const) {
      const answer = await get(t, front, { method, path: `/${status}` })
      t.equal(answer.status, status)
      const length = answer.fields.find(([field]) => field === 'content-length')?.[1]
      t.equal(length, method === 'HEAD' ? '1000' : undefined, `${method} ${status}`)
      t.equal(await answer.text(), '')
    }
  })

  t.test(`${name}: a body of unknown length and an empty one arrive whole`, async (t) => {
    const front = await startFront(t, name, ({ downstream }) => {
      if (downstream.head.path === '/empty') {
        downstream.start({ ...plainStart, framing: 'length', contentLength: 0 })
      } else {
        downstream.start(plainStart)
        for (const piece of ['one ', '', 'two ', 'three']) {
          downstream.write(Buffer.from(piece))
          downstream.flush()
        }
      }
      downstream.end()
      downstream.flush()
    })
    t.equal(await (await get(t, front)).text(), 'one two three')
    t.equal(await (await get(t, front, { path: '/empty' })).text(), '')
  })

  for (const fields of [
    ['Content-Length', '200000'],
    ['Transfer-Encoding', 'chunked'],
  ]) {
    t.test(`${name}: a request body by ${fields[0]} arrives whole and ends once`, async (t) => {
      const front = await startFront(t, name, (scripted) => {
        void scripted.whole.then((body) => scripted.answer(String(body.length)))
      })
      const asked = ask(t, front, { method: 'POST', fields })
      for (let i = 0; i < 4; i++) asked.body.write(Buffer.alloc(50_000, i))
      asked.body.end()
      t.equal(await (await asked.answer).text(), '200000')
      t.equal(front.begun[0]!.ends, 1)
      t.equal(front.begun[0]!.aborts, 0)
    })
  }

  t.test(`${name}: both directions flow at once`, async (t) => {
    const front = await startFront(t, name, (scripted) => {
      const { downstream } = scripted
      scripted.onPiece = (chunk, isLast) => {
        if (scripted.chunks.length === 1) downstream.start(plainStart)
        downstream.write(chunk)
        if (isLast) downstream.end()
        downstream.flush()
      }
    })
    const asked = ask(t, front, { method: 'POST', fields: ['Transfer-Encoding', 'chunked'] })
    asked.body.write('first')
    const answer = await asked.answer
    const [first] = await new Promise<Buffer[]>((resolve) => {
      answer.stream.once('data', (chunk: Buffer) => {
        answer.stream.pause()
        resolve([chunk])
      })
    })
    t.equal(String(first), 'first', 'answered before the request was complete')
    asked.body.end('second')
    t.equal(await answer.text(), 'second')
  })

  t.test(
    `${name}: a client that does not read stops the flow, and gets everything once it does`,
    async (t) => {
      let sent = 0
      const pieces = 64
      const pump = async ({ downstream, ...rest }: Scripted, drained: () => Promise<void>): Promise<void> => {
        void rest
        downstream.start({ ...plainStart, framing: 'length', contentLength: pieces * mebibyte })
        while (sent < pieces) {
          const chunk = Buffer.alloc(mebibyte, sent)
          sent++
          downstream.write(chunk)
          if (sent === pieces) downstream.end()
          const mayFlow = downstream.flush()
          // From here on the bytes are the sender's again.
          if (mayFlow) chunk.fill(255)
          if (!mayFlow && sent < pieces) await drained()
        }
      }
      const front = await startFront(t, name, (scripted) =>
        setImmediate(() => void pump(scripted, () => scripted.drained())),
      )
      const { stream } = await get(t, front)
      let known = -1
      await until('the flow stands still', () => {
        const isStill = sent === known
        known = sent
        return isStill && sent > 0
      })
      t.ok(sent < pieces / 2, `${sent} MiB went into the pipe`)
      let received = 0
      let isRight = true
      for await (const chunk of stream as AsyncIterable<Buffer>) {
        isRight &&= chunk[0] === Math.floor(received / mebibyte)
        received += chunk.length
      }
      t.equal(received, pieces * mebibyte)
      t.ok(isRight, 'in order and unharmed')
      t.ok(front.begun[0]!.drains > 0)
    },
  )

  t.test(`${name}: a paused body stops the client, and comes whole after it`, async (t) => {
    const front = await startFront(t, name, (scripted) => {
      setImmediate(() => scripted.downstream.pauseBody())
      void scripted.whole.then((body) => scripted.answer(String(body.length)))
    })
    const total = 32 * mebibyte
    const asked = ask(t, front, { method: 'POST', fields: ['Content-Length', String(total)] })
    for (let i = 0; i < 32; i++) asked.body.write(Buffer.alloc(mebibyte))
    asked.body.end()
    let known = -1
    const scripted = await until('the request begins', () => front.begun[0])
    await until('the flow stands still', () => {
      const isStill = scripted.received === known
      known = scripted.received
      return isStill
    })
    t.ok(scripted.received < total / 2, `${scripted.received} bytes came all the same`)
    scripted.downstream.resumeBody()
    t.equal(await (await asked.answer).text(), String(total))
  })

  const isPlain = name === 'uws' || name === 'node'
  t.test(
    `${name}: what is left of a paused body does not stand in the way of the next request`,
    { skip: isPlain ? false : 'bytes are sent by hand' },
    async (t) => {
      const front = await startFront(t, name, (scripted) => {
        const isFirst = scripted.downstream.head.method === 'POST'
        setImmediate(() => (isFirst ? scripted.downstream.pauseBody() : scripted.answer('second')))
      })
      const client = await RawClient.connect(front.port, t)
      const total = 16 * mebibyte
      client.send(`POST / HTTP/1.1\r\nHost: front.test\r\nContent-Length: ${total}\r\n\r\n`)
      client.send('x'.repeat(total))
      const scripted = await until('the body begins', () => front.begun[0])
      let known = -1
      await until('the flow stands still', () => {
        const isStill = scripted.received === known
        known = scripted.received
        return isStill && known > 0
      })
      scripted.answer('first')
      await client.reads(/first/)
      client.send('GET / HTTP/1.1\r\nHost: front.test\r\n\r\n')
      await client.reads(/first[^]*second/)
    },
  )

  t.test(`${name}: a client that goes away is told of once`, async (t) => {
    const front = await startFront(t, name, () => {})
    const asked = ask(t, front, { method: 'POST', fields: ['Content-Length', '10'] })
    asked.body.write('12345')
    const scripted = await until('the request begins', () => front.begun[0])
    await until('the body begins', () => scripted.received === 5)
    asked.abort()
    await scripted.aborted
    // Everything is harmless from here on.
    scripted.downstream.pauseBody()
    scripted.downstream.resumeBody()
    scripted.answer('nobody reads this')
    scripted.downstream.cut()
    t.equal(scripted.aborts, 1)
    t.equal(scripted.ends, 0)
    t.same(front.faults, [])
  })

  for (const framing of ['length', 'unknown'] as const) {
    t.test(`${name}: an answer of ${framing} length that is cut is seen to be incomplete`, async (t) => {
      const front = await startFront(t, name, ({ downstream }) => {
        downstream.start({ ...plainStart, framing, contentLength: framing === 'length' ? 100 : -1 })
        downstream.write(Buffer.from('half'))
        downstream.flush()
        setImmediate(() => setImmediate(() => downstream.cut()))
      })
      await t.rejects(get(t, front).then((answer) => answer.text()))
      t.equal(front.begun[0]!.aborts, 0)
    })
  }

  t.test(
    `${name}: a client that takes nothing of its answer is given up, one that takes it is not`,
    async (t) => {
      const clientLimits = { stalledClientMs: 500 }
      const front = await startFront(t, name, (scripted) => pour(scripted), { clientLimits })
      const taking = await get(t, front)
      const stalled = await get(t, front)
      stalled.stream.pause()
      taking.stream.resume()
      await until('the one that takes nothing is given up', () => front.begun[1]?.aborts === 1)
      t.equal(front.begun[0]?.aborts, 0)
      t.same(front.gate.refusals(), [['slow-reader', 1]])
    },
  )

  t.test(`${name}: a body that trickles is given up, one that flows is not`, async (t) => {
    const limits = { bodySilenceMs: 400, clientLimits: { bodyBytesPerS: 1_000 } }
    const front = await startFront(t, name, () => {}, limits)
    const send = (path: string, bytes: number): void => {
      const { body } = ask(t, front, { method: 'POST', path, fields: ['Content-Length', '1000000'] })
      const timer = setInterval(() => body.write(Buffer.alloc(bytes)), 20)
      body.on('error', () => clearInterval(timer))
      t.teardown(() => clearInterval(timer))
    }
    const of = (path: string): Scripted | undefined =>
      front.begun.find(({ downstream }) => downstream.head.path === path)
    send('/trickle', 1)
    send('/flow', 500)
    await until('the one is given up', () => of('/trickle')?.failure === 'request_timeout')
    const before = of('/flow')?.received ?? 0
    await until('the other flows on', () => (of('/flow')?.received ?? 0) > before + 10_000)
    t.equal(of('/flow')?.failure, null)
    t.same(front.gate.refusals(), [['slow-body', 1]])
  })

  t.test(`${name}: the head of an event stream does not wait for an event`, async (t) => {
    const front = await startFront(t, name, ({ downstream }) => {
      const lines = 'Content-Type: text/event-stream'
      downstream.start({ ...plainStart, fields: { bytes: null, runs: [], lines }, isEventStream: true })
      downstream.flush()
    })
    const asked = ask(t, front)
    asked.body.end()
    t.equal((await asked.answer).status, 200)
    asked.abort()
    await front.begun[0]!.aborted
    t.equal(front.begun[0]!.aborts, 1)
  })

  t.test(`${name}: an event stream under a content coding is all the application's`, async (t) => {
    const front = await startFront(t, name, ({ downstream }) => {
      downstream.start({ ...plainStart, isEventStream: true, isCoded: true })
      downstream.flush()
      setImmediate(() => {
        downstream.write(Buffer.from('coded'))
        downstream.end()
        downstream.flush()
      })
    })
    t.equal(await (await get(t, front)).text(), 'coded')
  })

  t.test(`${name}: an answer whose head is large loses nothing of its body`, async (t) => {
    const front = await startFront(t, name, ({ downstream }) => {
      const [, head = '', body = '', framing = ''] = downstream.head.path.split('/')
      const lines = `X-Large: ${'x'.repeat(Number(head))}`
      const fields = { bytes: null, runs: [], lines }
      const sized = { framing: 'length', contentLength: Number(body) } as const
      downstream.start({ ...plainStart, fields, ...(framing === 'length' ? sized : {}) })
      downstream.write(Buffer.alloc(Number(body), 'b'))
      downstream.end()
      downstream.flush()
    })
    for (const head of [14_000, 14_730, 15_000, 40_000]) {
      for (const body of [100, 40_000]) {
        for (const framing of ['length', 'unknown']) {
          const path = `/${head}/${body}/${framing}`
          const answer = await get(t, front, { path })
          t.equal(answer.fields.find(([field]) => field === 'x-large')?.[1]?.length, head, path)
          t.equal(await answer.text(), 'b'.repeat(body), path)
        }
      }
    }
  })

  t.test(
    `${name}: a status without a reason has the space before it all the same`,
    { skip: isPlain ? false : 'bytes are read by hand' },
    async (t) => {
      const front = await startFront(t, name, (scripted) => {
        const status = Number(scripted.downstream.head.path.slice(1))
        setImmediate(() => scripted.answer('ok', { status }))
      })
      const client = await RawClient.connect(front.port, t)
      for (const status of [299, 799]) {
        client.send(`GET /${status} HTTP/1.1\r\nHost: front.test\r\n\r\n`)
        await client.reads(new RegExp(`HTTP/1\\.1 ${status} `))
      }
    },
  )

  t.test(`${name}: an interim answer passes where the front can carry one`, async (t) => {
    const front = await startFront(t, name, (scripted) => {
      const lines = 'Link: </a.css>; rel=preload; as=style, </b.js>; rel=preload'
      scripted.downstream.interim(103, { bytes: null, runs: [], lines })
      scripted.answer('ok')
    })
    const asked = ask(t, front)
    asked.body.end()
    t.equal(await (await asked.answer).text(), 'ok')
    const expected = front.listener.abilities.interimResponses
      ? [[103, '</a.css>; rel=preload; as=style, </b.js>; rel=preload']]
      : []
    t.same(asked.interim, expected)
  })

  t.test(`${name}: who expects 100 gets it, and sends`, async (t) => {
    const front = await startFront(t, name, (scripted) => {
      void scripted.whole.then((body) => scripted.answer(String(body)))
    })
    const asked = ask(t, front, {
      method: 'POST',
      fields: ['Expect', '100-continue', 'Content-Length', '4'],
    })
    if (!isHttp2) (asked.body as unknown as { flushHeaders(): void }).flushHeaders()
    await until('the client is told to go on', () => asked.interim.some(([status]) => status === 100))
    asked.body.end('body')
    t.equal(await (await asked.answer).text(), 'body')
  })

  t.test(`${name}: whoever stops accepting finishes what is open`, async (t) => {
    const front = await startFront(t, name, () => {})
    const asked = ask(t, front)
    asked.body.end()
    const scripted = await until('the request begins', () => front.begun[0])
    front.listener.stopAccepting()
    front.listener.stopAccepting()
    scripted.answer('finished', { closes: true })
    t.equal(await (await asked.answer).text(), 'finished')
    await t.rejects(get(t, front))
  })
}

t.test('uws: of a paused body only so much is taken, whatever the library goes on reading', async (t) => {
  const calls: string[] = []
  const res = { pause: () => calls.push('pause'), resume: () => calls.push('resume') }
  const owner = {
    isSlow: false,
    askOften: () => {},
    bodyStalled: () => calls.push('stalled'),
    bodyOverran: () => calls.push('overran'),
  }
  const gate = new Gate(noLimits)
  const bodies = new SlowBodies(gate)
  t.teardown(() => bodies.stop())
  const body = new UwsBody(res as unknown as HttpResponse, owner, bodies)
  const come = (mebibytes: number): void => {
    for (let i = 0; i < mebibytes; i++) body.came(mebibyte, false)
  }
  come(1_000)
  body.pause()
  come(256)
  body.resume()
  body.pause()
  come(256)
  t.same(calls, ['pause', 'resume', 'pause'])
  body.rearm()
  come(1)
  t.same(calls, ['pause', 'resume', 'pause', 'overran'])
  t.same(gate.refusals(), [['unstoppable-body', 1]])
})
