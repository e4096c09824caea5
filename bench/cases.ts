// The loads under which contenders are compared.

export interface Case {
  readonly name: string
  readonly path: string
  readonly method: 'GET' | 'POST'
  readonly bodyBytes: number
  readonly connections: number
  /** Rounds are this many times as long: large answers are few. */
  readonly stretch: number
}

/** The load that the targets are set for. */
export const usualCase: Case = {
  name: '2 KiB',
  path: '/2k',
  method: 'GET',
  bodyBytes: 0,
  connections: 64,
  stretch: 2,
}

/** All of them, the usual one first. */
export const cases: readonly Case[] = [
  usualCase,
  { ...usualCase, name: 'empty', path: '/0' },
  { ...usualCase, name: '16 KiB', path: '/16k' },
  { ...usualCase, name: '256 KiB', path: '/256k' },
  { ...usualCase, name: '8 MiB', path: '/8m', connections: 16 },
  { ...usualCase, name: 'POST 16 KiB', path: '/post', method: 'POST', bodyBytes: 16_384 },
  { ...usualCase, name: '1 connection', connections: 1 },
  { ...usualCase, name: '1000 connections', connections: 1000, stretch: 3 },
]
